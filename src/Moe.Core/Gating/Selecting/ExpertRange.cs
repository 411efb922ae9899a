using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Holds what a user's router or rule chose to the experts that there are.</summary>
internal static class ExpertRange
{
    /// <summary>The choices brought into range, so that they can be worked with until those that were not have been counted and refused.</summary>
    /// <param name="indices">What was chosen, [T, K], Int64.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="mask">True for real tokens, [T]; what was chosen for padding is ignored. Null when all are.</param>
    /// <returns>Experts, [T, K], in a tensor of their own; and how many choices were none, a scalar.</returns>
    public static (Tensor Within, Tensor Misplaced) Of(Tensor indices, int expertCount, Tensor? mask)
    {
        var within = indices.clamp(0, expertCount - 1);
        var misplaced = within.ne(indices);
        return (within, (mask is null ? misplaced : misplaced.bitwise_and(mask.unsqueeze(-1))).sum());
    }
}
