using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A router whose logits the test decides, whatever the tokens are: top-k of their softmax.</summary>
internal sealed class FixedRouter(Tensor logits, int topK = 1, CapacityOptions? capacity = null)
    : Router(nameof(FixedRouter), 1, (int)logits.size(-1))
{
    public override bool IsCausal => true;

    public override CapacityOptions? Capacity => capacity;

    /// <summary>Routes as many tokens as there are logits, [T, E] or [B, S, E].</summary>
    public RoutingDecision Decide(Tensor? mask = null) => Route(zeros([.. logits.shape[..^1], 1], dtype: logits.dtype), mask);

    protected internal override RoutingProposal Propose(RouterInput input)
    {
        var rows = logits.reshape(-1, ExpertCount);
        var scores = rows.softmax(-1);
        var indices = rows.detach().topk(topK, dim: 1, largest: true, sorted: true).indexes;
        return new RoutingProposal { Logits = rows, Scores = scores, Indices = indices, Weights = scores.gather(1, indices) };
    }
}
