using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// An expert that says itself how much its answer counts: σ(x · wᵀ) · f(x). As a shared expert it is the gated one of Qwen2-MoE.
/// </summary>
/// <remarks>Owns the expert inside and registers it as <c>expert</c>. Parameter: <c>gate_weight</c> [1, D], drawn from U(-1/√D, 1/√D).</remarks>
public sealed class SelfGatedExpert : nn.Module<Tensor, Tensor>, IExpert, IRoutedModule
{
    /// <summary>Puts a gate before an expert.</summary>
    /// <param name="expert">The expert, a module. Owned from now on.</param>
    /// <param name="generator">Draws the gate's first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the gate lives; torch's default when null.</param>
    /// <param name="dtype">Its type, which must be the expert's; torch's default when null.</param>
    /// <exception cref="ArgumentException">The expert is no module that answers on its own.</exception>
    public SelfGatedExpert(IExpert expert, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(SelfGatedExpert))
    {
        ArgumentNullException.ThrowIfNull(expert);
        TensorGuard.Floating(dtype, nameof(dtype));
        Expert = expert as nn.Module<Tensor, Tensor>
            ?? throw new ArgumentException($"Expected an expert that is an nn.Module<Tensor, Tensor>, got {expert.GetType().Name}.", nameof(expert));
        InputWidth = expert.InputWidth;
        OutputWidth = expert.OutputWidth;
        GateWeight = NewParameter.Uniform([1, InputWidth], InputWidth, generator, device, dtype);
        RegisterComponents();
    }

    /// <summary>The expert inside.</summary>
    [field: ComponentName(Name = "expert")]
    public nn.Module<Tensor, Tensor> Expert { get; }

    /// <summary>w, [1, D].</summary>
    [field: ComponentName(Name = "gate_weight")]
    public Parameter GateWeight { get; }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth { get; }

    /// <inheritdoc cref="IExpert.forward"/>
    public override Tensor forward(Tensor input) => Answer(input, Expert.call);

    /// <inheritdoc/>
    public Tensor forward(Tensor input, RoutingPass pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        return Answer(input, rows => Expert is IRoutedModule routed ? routed.forward(rows, pass) : Expert.call(rows));
    }

    private Tensor Answer(Tensor input, Func<Tensor, Tensor> expert)
    {
        ObjectDisposedException.ThrowIf(GateWeight.IsInvalid, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        TensorGuard.SameAs(input, GateWeight, nameof(input), "the expert's gate");
        using var scope = NewDisposeScope();
        var answer = expert(input);
        return scope.MoveToOuter(nn.functional.linear(input, GateWeight).sigmoid() * answer);
    }
}
