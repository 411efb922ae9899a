namespace Moe.Testing;

/// <summary>What must hold in every decision.</summary>
internal static class DecisionLaws
{
    /// <summary>Looks at decisions about two sequences, in both modes, with and without padding.</summary>
    public static Action<RouterTrial> Everywhere(Action<RouterTrial, DecisionInNumbers> law) => trial =>
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        foreach (var tokens in new[] { batch, batch.WithMask(true, false, true, true, true, true, false, false) })
        {
            law(trial, trial.Numbers(router, tokens, training: false));
            law(trial, trial.Numbers(router, tokens, training: true));
        }
    };

    public static void All(RouterTrial trial, DecisionInNumbers numbers)
    {
        DistinctExperts(trial, numbers);
        FiniteWeights(trial, numbers);
        ConsistentCounts(trial, numbers);
        FiniteScores(trial, numbers);
        SlotsAreMeans(trial, numbers);
    }

    public static void DistinctExperts(RouterTrial trial, DecisionInNumbers numbers)
    {
        trial.Require(
            numbers.Indices.All(index => index >= 0 && index < numbers.Experts), $"the indices go from {numbers.Indices.Min()} to {numbers.Indices.Max()}");
        for (var token = 0; token < numbers.Tokens; token++)
        {
            var chosen = Enumerable.Range(token * numbers.Choices, numbers.Choices).Where(at => numbers.Chosen[at]).Select(at => numbers.Indices[at]).ToArray();
            trial.Require(chosen.Distinct().Count() == chosen.Length, $"token {token} is sent to experts {DecisionInNumbers.List(chosen)}");
        }
    }

    public static void FiniteWeights(RouterTrial trial, DecisionInNumbers numbers)
    {
        trial.Require(numbers.Decision.Weights.dtype == trial.Type, $"the weights are of type {numbers.Decision.Weights.dtype}");
        trial.Require(numbers.Weights.Length == numbers.Indices.Length, $"there are {numbers.Weights.Length} weights for {numbers.Indices.Length} choices");
        for (var at = 0; at < numbers.Weights.Length; at++)
        {
            var (token, choice) = Math.DivRem(at, numbers.Choices);
            trial.Require(double.IsFinite(numbers.Weights[at]), $"weight {choice} of token {token} is {numbers.Weights[at]}");
            trial.Require(numbers.Kept[at] || numbers.Weights[at] == 0, $"weight {choice} of token {token} is {numbers.Weights[at]}, although it is not kept");
        }
    }

    public static void ConsistentCounts(RouterTrial trial, DecisionInNumbers numbers)
    {
        var decision = numbers.Decision;
        var real = numbers.Chosen.Select((_, at) => numbers.Real[at / numbers.Choices]).ToArray();
        var kept = Recount(numbers, numbers.Kept);
        var assigned = Recount(numbers, [.. numbers.Chosen.Select((chosen, at) => chosen && real[at])]);
        var counts = HostValues.Of(decision.Counts).Select(count => (long)count).ToArray();

        trial.Require(kept.SequenceEqual(numbers.Load), $"Load is {DecisionInNumbers.List(numbers.Load)}, a recount of what is kept gives {DecisionInNumbers.List(kept)}");
        trial.Require(kept.SequenceEqual(counts), $"Counts is {DecisionInNumbers.List(counts)}, a recount of what is kept gives {DecisionInNumbers.List(kept)}");
        trial.Require(
            assigned.SequenceEqual(numbers.Assigned), $"Assigned is {DecisionInNumbers.List(numbers.Assigned)}, a recount of what is chosen for real tokens gives {DecisionInNumbers.List(assigned)}");
        trial.Require(decision.ValidTokens == numbers.Real.Count(token => token), $"ValidTokens is {decision.ValidTokens}, a recount gives {numbers.Real.Count(token => token)}");

        var padding = real.LongCount(token => !token);
        var declined = numbers.Chosen.Zip(real, (chosen, token) => token && !chosen).LongCount(no => no);
        var (sum, all) = (numbers.Load.Sum() + decision.Dropped + padding + declined, numbers.Indices.LongLength);
        trial.Require(
            sum == all, $"kept {numbers.Load.Sum()} + dropped {decision.Dropped} + padding {padding} + declined {declined} is {sum}, but T · K is {all}");
        trial.Require(decision.Dropped == 0 || decision.Capacity is not null, $"{decision.Dropped} assignments are dropped without a capacity");
        var places = decision.Capacity * (decision.TokenCount / decision.SequenceLength);
        trial.Require(places is null || numbers.Load.Max() <= places, $"an expert has {numbers.Load.Max()} tokens in {places} places");
    }

    public static void FiniteScores(RouterTrial trial, DecisionInNumbers numbers)
    {
        var decision = numbers.Decision;
        trial.Require(decision.Scores.dtype == trial.Type && decision.Logits.dtype == trial.Type, $"scores and logits are of types {decision.Scores.dtype} and {decision.Logits.dtype}");
        trial.Require(numbers.Logits.All(double.IsFinite), "a logit is not finite");
        foreach (var (row, token) in numbers.Scores.Chunk(numbers.Experts).Select((row, token) => (row, token)))
        {
            trial.Require(row.All(score => double.IsFinite(score) && score >= 0), $"the scores of token {token} go from {row.Min()} to {row.Max()}");
            trial.Require(
                !decision.ScoresSumToOne || DecisionInNumbers.Same(row.Sum(), 1, trial.Tolerance), $"the scores of token {token} sum to {row.Sum()}, although {nameof(decision.ScoresSumToOne)} is true");
        }
    }

    public static void SlotsAreMeans(RouterTrial trial, DecisionInNumbers numbers)
    {
        var decision = numbers.Decision;
        if (decision.Slots is not { } slots)
            return;
        var (sequences, length, all) = (slots.Dispatch.size(0), slots.Dispatch.size(1), slots.Dispatch.size(2));
        trial.Require(
            sequences * length == decision.TokenCount && length == decision.SequenceLength && all == (long)decision.ExpertCount * slots.SlotsPerExpert,
            $"the slots are of shape [{sequences}, {length}, {all}]");
        trial.Require(slots.Dispatch.dtype == trial.Type && slots.Combine.dtype == trial.Type, $"the slots are of types {slots.Dispatch.dtype} and {slots.Combine.dtype}");

        var real = numbers.Real;
        var byToken = HostValues.Of(slots.Combine.sum(dim: 2));
        var used = HostValues.Of(slots.Dispatch.abs().sum(dim: 2));
        for (var token = 0; token < real.Length; token++)
        {
            trial.Require(DecisionInNumbers.Same(byToken[token], real[token] ? 1 : 0, trial.Tolerance), $"the weights of slots in token {token} sum to {byToken[token]}");
            trial.Require(real[token] || used[token] == 0, $"padding, token {token}, is in slots with weights that sum to {used[token]}");
        }
        foreach (var (sum, slot) in HostValues.Of(slots.Dispatch.sum(dim: 1)).Select((sum, slot) => (sum, slot)))
        {
            var anyReal = real.Skip((int)(slot / all * length)).Take((int)length).Any(token => token);
            trial.Require(DecisionInNumbers.Same(sum, anyReal ? 1 : 0, trial.Tolerance), $"the weights of tokens in slot {slot % all} of sequence {slot / all} sum to {sum}");
        }
    }

    private static long[] Recount(DecisionInNumbers numbers, bool[] counted)
    {
        var counts = new long[numbers.Experts];
        for (var at = 0; at < counted.Length; at++)
        {
            if (counted[at] && numbers.Indices[at] >= 0 && numbers.Indices[at] < numbers.Experts)
                counts[numbers.Indices[at]]++;
        }
        return counts;
    }
}
