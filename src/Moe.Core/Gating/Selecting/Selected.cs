using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a <see cref="SelectionRule"/> chose.</summary>
/// <param name="indices">Experts, [T, K], Int64; those chosen occur once in a row.</param>
/// <param name="chosen">Which of them are meant, [T, K], Bool; null when all are.</param>
public sealed class Selected(Tensor indices, Tensor? chosen = null)
{
    /// <summary>Experts, [T, K], Int64.</summary>
    public Tensor Indices { get; } = indices;

    /// <summary>Which of them are meant, [T, K], Bool; null when all are.</summary>
    public Tensor? Chosen { get; } = chosen;
}
