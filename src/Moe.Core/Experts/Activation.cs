using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A named elementwise function between the two products of a feed-forward expert.</summary>
/// <remarks>Immutable. Two are equal when name and function are, which decides whether experts may be stored stacked.</remarks>
/// <param name="Name">How it is called in texts.</param>
/// <param name="Apply">Maps a tensor to one of the same shape, type and device, differentiably.</param>
public sealed record Activation(string Name, Func<Tensor, Tensor> Apply)
{
    /// <summary>max(x, 0).</summary>
    public static Activation Relu { get; } = new("ReLU", x => nn.functional.relu(x));

    /// <summary>x · Φ(x), with the normal distribution function Φ (Hendrycks and Gimpel 2016).</summary>
    public static Activation Gelu { get; } = new("GELU", x => nn.functional.gelu(x));

    /// <summary>x · σ(x), also called Swish.</summary>
    public static Activation Silu { get; } = new("SiLU", x => nn.functional.silu(x));

    /// <summary>The hyperbolic tangent.</summary>
    public static Activation Tanh { get; } = new("tanh", x => x.tanh());

    /// <summary>1 / (1 + exp(-x)).</summary>
    public static Activation Sigmoid { get; } = new("sigmoid", x => x.sigmoid());

    /// <inheritdoc/>
    public override string ToString() => Name;
}
