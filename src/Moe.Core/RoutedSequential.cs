using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Modules one after the other, as torch's Sequential, that hand a <see cref="RoutingPass"/> on to those that take one.</summary>
/// <remarks>Owns its modules and registers them as <c>0</c>, <c>1</c>, …</remarks>
public sealed class RoutedSequential : nn.Module<Tensor, Tensor>, IRoutedModule
{
    private readonly nn.Module<Tensor, Tensor>[] _modules;
    private bool _disposed;

    /// <summary>Puts modules into a row.</summary>
    /// <param name="modules">At least one; owned from now on.</param>
    /// <exception cref="ArgumentException">There is none, or one is null.</exception>
    public RoutedSequential(params nn.Module<Tensor, Tensor>[] modules)
        : base(nameof(RoutedSequential))
    {
        ArgumentNullException.ThrowIfNull(modules);
        if (modules.Length == 0 || modules.Any(module => module is null))
            throw new ArgumentException($"Expected at least 1 module and none null, got {modules.Length} with {modules.Count(module => module is null)} null.", nameof(modules));
        _modules = [.. modules];
        for (var index = 0; index < _modules.Length; index++)
            register_module($"{index}", _modules[index]);
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input) => Run(input, (module, value) => module.call(value));

    /// <inheritdoc/>
    public Tensor forward(Tensor input, RoutingPass pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        return Run(input, (module, value) => module is IRoutedModule routed ? routed.forward(value, pass) : module.call(value));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        base.Dispose(disposing);
    }

    private Tensor Run(Tensor input, Func<nn.Module<Tensor, Tensor>, Tensor, Tensor> step)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TensorGuard.Alive(input, nameof(input));
        using var scope = NewDisposeScope();
        var output = input;
        foreach (var module in _modules)
            output = step(module, output);
        // A module may hand back what it got; the caller's tensor must not come out under a second owner.
        return scope.MoveToOuter(ReferenceEquals(output, input) ? input.alias() : output);
    }
}
