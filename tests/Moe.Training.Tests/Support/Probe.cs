using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>A user's own model: a list of layers, some of which take the pass, and a function of the test's before each forward pass.</summary>
internal sealed class Probe : nn.Module<Tensor, Tensor>, IRoutedModule
{
    private readonly TorchSharp.Modules.ModuleList<nn.Module<Tensor, Tensor>> _layers;

    public Probe(params nn.Module<Tensor, Tensor>[] layers)
        : base(nameof(Probe))
    {
        _layers = nn.ModuleList(layers);
        register_module("layers", _layers);
    }

    /// <summary>Forward passes so far.</summary>
    public int Forwards { get; private set; }

    /// <summary>What is done to the input of a forward pass, by its number.</summary>
    public Func<int, Tensor, Tensor>? Before { get; set; }

    public override Tensor forward(Tensor input) => Run(input, (layer, value) => layer.call(value));

    public Tensor forward(Tensor input, RoutingPass pass) =>
        Run(input, (layer, value) => layer is IRoutedModule routed ? routed.forward(value, pass) : layer.call(value));

    private Tensor Run(Tensor input, Func<nn.Module<Tensor, Tensor>, Tensor, Tensor> step)
    {
        using var scope = NewDisposeScope();
        var value = Before?.Invoke(Forwards, input) ?? input;
        Forwards++;
        foreach (var layer in _layers)
            value = step(layer, value);
        return scope.MoveToOuter(value);
    }
}
