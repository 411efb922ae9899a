using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The first half of a router's first step: how tokens become logits.</summary>
/// <remarks>Immutable data with value equality. The parameters live in the gate.</remarks>
public abstract record Projection
{
    private protected Projection()
    {
    }

    /// <summary>x · Wᵀ: one vector an expert.</summary>
    public static Projection Linear { get; } = new LinearProjection();

    /// <summary>Notes what is wrong with the settings.</summary>
    internal virtual void Check(OptionFailures failures, GatingOptions options)
    {
    }

    /// <summary>Computes the logits, [T, E], from tokens [T, D].</summary>
    internal abstract Tensor Logits(GatingNetwork gate, Tensor tokens);
}

/// <summary>z = x · Wᵀ + b.</summary>
/// <remarks>Parameters: <c>weight</c> [E, D], <c>bias</c> [E] if the options ask for one.</remarks>
public sealed record LinearProjection : Projection
{
    internal override Tensor Logits(GatingNetwork gate, Tensor tokens) =>
        nn.functional.linear(tokens, GatingNetwork.In(gate.Weight, tokens.dtype), gate.Bias is null ? null : GatingNetwork.In(gate.Bias, tokens.dtype));
}
