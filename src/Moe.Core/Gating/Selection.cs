using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The third step of a gate: which experts a token is sent to.</summary>
internal static class Selection
{
    /// <summary>The K best of E scores, [T, E] → [T, K], Int64, best first; all of them in their order when K = E.</summary>
    public static Tensor TopK(Tensor scores, int choices)
    {
        var experts = scores.size(1);
        return choices == experts
            ? arange(experts, dtype: ScalarType.Int64, device: scores.device).expand(scores.size(0), experts).contiguous()
            : scores.detach().topk(choices, dim: -1, largest: true, sorted: true).indexes;
    }
}
