using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// One expert of a mixture: any function from rows of width <see cref="InputWidth"/> to rows of width <see cref="OutputWidth"/>.
/// A network, a linear model, a decision tree, a rule.
/// </summary>
/// <remarks>
/// <para>An expert that is a torch module (<c>nn.Module&lt;Tensor, Tensor&gt;</c>) is registered with the layer it joins: moved,
/// saved, trained and disposed with it. Its <c>forward</c> is the one asked for here, so that it has only the two widths to add.</para>
/// <para>An expert that is not a module is called without gradients, and its output is a constant to autograd: neither it nor the
/// layer's input learns through it, but the gate does, through the weight on its answer.</para>
/// <para>An expert with mixtures inside is an <see cref="IRoutedModule"/> too, so that their decisions reach the caller's
/// <see cref="RoutingPass"/>. The pass it is given has no mask: an expert never sees padding.</para>
/// </remarks>
public interface IExpert
{
    /// <summary>D, the width of the rows it takes.</summary>
    long InputWidth { get; }

    /// <summary>Dout, the width of the rows it gives.</summary>
    long OutputWidth { get; }

    /// <summary>Answers a batch of rows, each on its own: row i of the output depends on row i of the input alone.</summary>
    /// <param name="input">
    /// Rows, [n, D]; n = 0 is legal. For a module of its own type and device, otherwise of the layer's. Not to be changed, kept or disposed.
    /// </param>
    /// <returns>[n, Dout]. The layer brings it to its own type and device, and disposes it unless the expert made it outside the call.</returns>
    Tensor forward(Tensor input);
}
