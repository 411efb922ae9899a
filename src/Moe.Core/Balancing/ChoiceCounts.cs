using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>How often each expert was chosen, by each of the ways of counting.</summary>
internal static class ChoiceCounts
{
    /// <summary>Counts over groups of tokens of equal length, one after the other.</summary>
    /// <param name="decision">What a router decided.</param>
    /// <param name="scores">What tells a token's best expert, [T, E].</param>
    /// <param name="counted">What is counted.</param>
    /// <param name="groups">G.</param>
    /// <returns>[G, E], Int64.</returns>
    public static Tensor Of(RoutingDecision decision, Tensor scores, CountedChoices counted, long groups)
    {
        // A decision has counted these already, over all its tokens.
        if (counted == CountedChoices.Assigned && groups == 1)
            return tensor(decision.Assigned.ToArray(), dtype: ScalarType.Int64, device: decision.Indices.device).unsqueeze(0);
        var (experts, meant) = counted switch
        {
            CountedChoices.Assigned => (decision.Indices, decision.Chosen),
            CountedChoices.Kept => (decision.Indices, decision.Kept),
            CountedChoices.TopScores => (SelectionRule.BestFirst(scores.detach(), decision.TopK), null),
            _ => First(decision, scores, counted),
        };
        if (decision.Mask is { } mask)
            meant = meant is null ? mask.unsqueeze(-1) : meant.bitwise_and(mask.unsqueeze(-1));

        // E stands for "not counted".
        if (meant is not null)
            experts = experts.masked_fill(meant.bitwise_not(), decision.ExpertCount);
        var byGroup = experts.reshape(groups, -1);
        return zeros(groups, decision.ExpertCount + 1, dtype: ScalarType.Int64, device: experts.device)
            .scatter_add_(1, byGroup, ones_like(byGroup))
            .narrow(1, 0, decision.ExpertCount);
    }

    /// <summary>The best expert of each token and whether it counts, [T, 1]. It stands first, unless the choices are in no order, or some are not meant.</summary>
    private static (Tensor Experts, Tensor? Meant) First(RoutingDecision decision, Tensor scores, CountedChoices counted)
    {
        var column = zeros(decision.TokenCount, 1, dtype: ScalarType.Int64, device: decision.Indices.device);
        if (decision.Chosen is not null || decision.TopK == decision.ExpertCount)
        {
            var among = scores.gather(1, decision.Indices);
            if (decision.Chosen is { } chosen)
                among = among.masked_fill(chosen.bitwise_not(), double.NegativeInfinity);
            column = among.argmax(1, keepdim: true);
        }
        var meant = counted == CountedChoices.FirstKept ? decision.Kept : decision.Chosen;
        return (decision.Indices.gather(1, column), meant?.gather(1, column));
    }
}
