using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A module with mixtures of experts inside, which hands a <see cref="RoutingPass"/> on to them. <see cref="MixtureOfExperts"/>,
/// <see cref="RoutedSequential"/> and <see cref="ModuleExpert"/> are such modules; a model of your own becomes one by passing <c>pass</c> to its parts that are.
/// </summary>
public interface IRoutedModule
{
    /// <summary>The forward pass, with each mixture adding its decision to <paramref name="pass"/>.</summary>
    /// <param name="input">The input. Not kept.</param>
    /// <param name="pass">Collects the decisions of this one forward pass, and brings the padding mask.</param>
    /// <returns>The output, as <c>forward(input)</c> gives it.</returns>
    Tensor forward(Tensor input, RoutingPass pass);
}
