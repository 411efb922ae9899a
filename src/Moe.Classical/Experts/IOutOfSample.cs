using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert that can say what it would have answered to each row it was fitted to, had it not seen that row: out of bag, leave one out.</summary>
/// <remarks>The honest answer costs little here; other experts are refitted in folds for it. The learner says that its experts can do so: <see cref="IExpertLearner.AnswersOutOfSample"/>.</remarks>
public interface IOutOfSample : IExpert
{
    /// <summary>Predictions for the rows of the fit, in their order, each made without that row.</summary>
    /// <returns>[n, Dout], Float64 on the CPU. The caller owns it.</returns>
    Tensor OutOfSample();
}
