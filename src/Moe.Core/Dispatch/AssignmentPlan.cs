using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Each token is copied once for each expert it goes to, and gets the weighted sum of their answers.</summary>
/// <remarks>N = T · K assignments, of which M are kept.</remarks>
internal sealed class AssignmentPlan : DispatchPlan
{
    private readonly RoutingDecision _decision;

    /// <summary>M, where an assignment is not kept, stands for a row of zeros.</summary>
    private readonly AssignmentOrder _order;

    public AssignmentPlan(RoutingDecision decision)
    {
        _decision = decision;
        _order = AssignmentOrder.Of(decision);
    }

    public override IReadOnlyList<long> RowsPerExpert => _decision.Load;

    public override Tensor? Fused(ExpertPool experts, Tensor tokens) =>
        experts.OnlyStack is { } stack && SwiGluMixture.Takes(stack, _decision)
            ? WithPassedThrough(SwiGluMixture.Answer(stack, tokens, _decision, _order), tokens)
            : null;

    public override Tensor Gather(Tensor tokens)
    {
        var rows = Rows.Pick(tokens, _order.Assignments.div(_decision.TopK, RoundingMode.floor));
        if (_decision.WeightTarget == WeightTarget.Output)
            return rows;
        var weights = _decision.Weights.to(tokens.dtype).reshape(-1).gather(0, _order.Assignments).unsqueeze(-1);
        return rows * (_decision.WeightTarget == WeightTarget.Input ? weights : 1 + (weights - weights.detach()));
    }

    public override Tensor Combine(List<Tensor> answers, Tensor tokens, long outputWidth)
    {
        if (!_decision.AllKept)
            answers.Add(zeros(1, outputWidth, dtype: tokens.dtype, device: tokens.device));
        var all = answers.Count == 1 ? answers[0] : cat(answers);
        var rows = _order.RowOf.reshape(-1, _decision.TopK);
        var weights = _decision.WeightTarget == WeightTarget.Input ? _decision.Kept.to(tokens.dtype) : _decision.Weights.to(tokens.dtype);
        if (_decision.MostKept < _decision.TopK)
        {
            // As wide as the token with the most experts, rather than as wide as there are experts.
            var (_, places) = _decision.Kept.to(ScalarType.Byte).sort(1, descending: true, stable: true);
            places = places.narrow(1, 0, Math.Max(_decision.MostKept, 1));
            (rows, weights) = (rows.gather(1, places), weights.gather(1, places));
        }
        var byToken = Rows.Pick(all, rows.reshape(-1)).reshape(rows.size(0), rows.size(1), outputWidth);
        return WithPassedThrough(weights.unsqueeze(1).bmm(byToken).squeeze(1), tokens);
    }

    private Tensor WithPassedThrough(Tensor output, Tensor tokens) =>
        _decision.DroppedTokens == DroppedTokens.PassThrough && _decision.Dropped > 0 ? output + PassedThrough(tokens) : output;

    /// <summary>The real tokens that wanted experts and found all of them full; 0 for all others.</summary>
    private Tensor PassedThrough(Tensor tokens)
    {
        var alone = _decision.Kept.sum(1).eq(0);
        if (_decision.Chosen is { } chosen)
            alone = alone.bitwise_and(chosen.sum(1).gt(0));
        if (_decision.Mask is { } mask)
            alone = alone.bitwise_and(mask);

        // Filled, not multiplied: padding may hold NaN, and 0 · NaN is none.
        return tokens.masked_fill(alone.bitwise_not().unsqueeze(-1), 0);
    }
}
