using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Any <c>nn.Module&lt;Tensor, Tensor&gt;</c> as an expert: says the widths, which a module does not tell.</summary>
/// <remarks>Owns the wrapped module and registers it as <c>module</c>. Hands a <see cref="RoutingPass"/> on to it if it takes one.</remarks>
public sealed class ModuleExpert : nn.Module<Tensor, Tensor>, IExpert, IRoutedModule
{
    /// <summary>Wraps a module.</summary>
    /// <param name="module">Maps [n, D] to [n, Dout], for n = 0 too. Owned from now on.</param>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public ModuleExpert(nn.Module<Tensor, Tensor> module, long inputWidth, long outputWidth)
        : base(nameof(ModuleExpert))
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputWidth, 1);
        Module = module;
        InputWidth = inputWidth;
        OutputWidth = outputWidth;
        RegisterComponents();
    }

    /// <summary>The wrapped module.</summary>
    [field: ComponentName(Name = "module")]
    public nn.Module<Tensor, Tensor> Module { get; }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth { get; }

    internal bool IsDisposed { get; private set; }

    /// <inheritdoc cref="IExpert.forward"/>
    public override Tensor forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        return Module.call(input);
    }

    /// <inheritdoc/>
    public Tensor forward(Tensor input, RoutingPass pass)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        ArgumentNullException.ThrowIfNull(pass);
        return Module is IRoutedModule routed ? routed.forward(input, pass) : Module.call(input);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
