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

    /// <summary>Refuses what a rule of the user's own got wrong, before anything is gathered by it.</summary>
    internal void Check(Tensor keys, string rule)
    {
        var choices = Indices is { IsInvalid: false } && Indices.dim() == 2 ? Indices.size(1) : 1;
        TensorGuard.Made(Indices, nameof(Indices), [keys.size(0), choices], keys.device, rule, ScalarType.Int64);
        if (Chosen is not null)
            TensorGuard.Made(Chosen, nameof(Chosen), [keys.size(0), choices], keys.device, rule, ScalarType.Bool);
    }
}
