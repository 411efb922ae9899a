using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// How rows travel: grouped by expert on the way there, back to their tokens on the way home. Holds indices only, learns nothing.
/// </summary>
/// <remarks>N = T · K assignments, of which M are kept. A stable sort by expert keeps token order inside each expert.</remarks>
internal sealed class DispatchPlan
{
    private readonly long _choices;
    private readonly long _routed;
    private readonly bool _complete;

    /// <summary>Whose token each routed row is, [M].</summary>
    private readonly Tensor _tokens;

    /// <summary>In which row the answer to each assignment lies, [N]; M stands for the row of zeros of those that are not kept.</summary>
    private readonly Tensor _rows;

    private DispatchPlan(Tensor tokens, Tensor rows, long choices, bool complete)
    {
        _tokens = tokens;
        _rows = rows;
        _routed = tokens.size(0);
        _choices = choices;
        _complete = complete;
    }

    /// <summary>Works out the journeys from a decision.</summary>
    public static DispatchPlan From(RoutingDecision decision)
    {
        var routed = decision.Load.Sum();
        var experts = decision.AllKept
            ? decision.Indices
            : decision.Indices.masked_fill(decision.Kept.bitwise_not(), decision.ExpertCount);
        var (_, order) = experts.reshape(-1).sort(0, descending: false, stable: true);

        var rows = Rows.Inverse(order);
        var tokens = order.narrow(0, 0, routed).div(decision.TopK, RoundingMode.floor);
        return new DispatchPlan(tokens, decision.AllKept ? rows : rows.clamp_max(routed), decision.TopK, decision.AllKept);
    }

    /// <summary>Copies each token once for each expert it goes to, grouped by expert: [T, D] → [M, D].</summary>
    public Tensor Gather(Tensor tokens) => Rows.Pick(tokens, _tokens);

    /// <summary>Brings the answers home and sums them with their weights: Σ over K of weight · answer.</summary>
    /// <param name="answers">The experts' answers in order, together [M, Dout]. A row of zeros is appended where some were dropped.</param>
    /// <param name="weights">[T, K].</param>
    /// <param name="like">A tensor of the answers' type and device.</param>
    /// <param name="outputWidth">Dout.</param>
    /// <returns>[T, Dout]. The sum runs in the order of the choices, never by atomic additions: the same bits every time.</returns>
    public Tensor Combine(List<Tensor> answers, Tensor weights, Tensor like, long outputWidth)
    {
        if (!_complete)
            answers.Add(zeros(1, outputWidth, dtype: like.dtype, device: like.device));
        var all = answers.Count == 1 ? answers[0] : cat(answers);
        var byToken = Rows.Pick(all, _rows).reshape(-1, _choices, outputWidth);
        return weights.to(like.dtype).unsqueeze(1).bmm(byToken).squeeze(1);
    }
}
