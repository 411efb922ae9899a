using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>down(silu(gate(x)) ⊙ up(x)) of three linear modules.</summary>
internal sealed class SwiGlu : nn.Module<Tensor, Tensor>
{
    private readonly Linear _gate;
    private readonly Linear _up;
    private readonly Linear _down;

    public SwiGlu(long width, long hidden, ScalarType type, Device device)
        : base(nameof(SwiGlu))
    {
        _gate = nn.Linear(width, hidden, hasBias: false, device: device, dtype: type);
        _up = nn.Linear(width, hidden, hasBias: false, device: device, dtype: type);
        _down = nn.Linear(hidden, width, hasBias: false, device: device, dtype: type);
        RegisterComponents();
    }

    /// <summary>Copies weights: gate and up [F, D], down [D, F].</summary>
    public void Take(Tensor gate, Tensor up, Tensor down)
    {
        using var noGrad = no_grad();
        _gate.weight.copy_(gate);
        _up.weight.copy_(up);
        _down.weight.copy_(down);
    }

    public override Tensor forward(Tensor rows)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(_down.forward(nn.functional.silu(_gate.forward(rows)) * _up.forward(rows)));
    }
}
