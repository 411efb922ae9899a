using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a mixture answers, together with how it came about. Owns both; equality is by reference.</summary>
public sealed class MixtureOutput : IDisposable
{
    internal MixtureOutput(Tensor output, RoutingDecision routing)
    {
        Output = output;
        Routing = routing;
    }

    /// <summary>The output, [*, Dout].</summary>
    public Tensor Output { get; }

    /// <summary>Who answered for whom.</summary>
    public RoutingDecision Routing { get; }

    /// <summary>Takes the pair apart.</summary>
    /// <param name="output">The output.</param>
    /// <param name="routing">The decision.</param>
    public void Deconstruct(out Tensor output, out RoutingDecision routing) => (output, routing) = (Output, Routing);

    /// <summary>Releases output and decision.</summary>
    public void Dispose()
    {
        Output.Dispose();
        Routing.Dispose();
    }
}
