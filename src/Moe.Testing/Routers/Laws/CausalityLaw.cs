namespace Moe.Testing;

/// <summary>What a router that calls itself causal must hold.</summary>
internal static class CausalityLaw
{
    private const int Sequences = 2;
    private const int Length = 4;

    public static void Honest(RouterTrial trial)
    {
        var router = trial.NewRouter();
        if (!router.IsCausal)
            return;
        var layer = trial.Layer(router);
        foreach (var training in new[] { false, true })
        {
            var batch = trial.Batch(Sequences, Length);
            var (before, answers) = Ask(batch, training);
            foreach (var (changed, sequence, start) in Changes(trial, batch))
            {
                var (after, answersAfter) = Ask(changed, training);
                foreach (var token in Enumerable.Range(sequence * Length, start))
                {
                    var difference = before.DifferenceAt(token, after, token, trial.Tolerance);
                    trial.Require(difference is null, $"after a change from token {start} of sequence {sequence} on, {difference}");
                    trial.Require(
                        answers[token].Zip(answersAfter[token]).All(pair => DecisionInNumbers.Same(pair.First, pair.Second, trial.Tolerance)),
                        $"after a change from token {start} of sequence {sequence} on, a layer answers token {token} differently");
                }
            }
        }

        (DecisionInNumbers Decision, double[][] Answers) Ask(TokenBatch batch, bool training)
        {
            using var routed = trial.Answer(layer, batch, training);
            return (DecisionInNumbers.From(routed.Routing), [.. HostValues.Of(routed.Output).Chunk((int)trial.Options.InputWidth)]);
        }
    }

    /// <summary>Other tokens in the later part of one sequence: unrelated ones, and ones that want what its first token wants, only more.</summary>
    private static IEnumerable<(TokenBatch Changed, int Sequence, int Start)> Changes(RouterTrial trial, TokenBatch batch)
    {
        for (var sequence = 0; sequence < Sequences; sequence++)
        {
            foreach (var start in new[] { 1, Length / 2 })
            {
                var count = Length - start;
                var first = batch.Tokens.narrow(0, sequence, 1).narrow(1, 0, 1);
                foreach (var later in new[] { trial.Normal(500, trial.Type, 1, count, first.size(2)) * 3, (first * 4).expand(1, count, first.size(2)) })
                {
                    var tokens = batch.Tokens.clone();
                    tokens.narrow(0, sequence, 1).narrow(1, start, count).copy_(later);
                    var ids = batch.Ids?.clone();
                    ids?.narrow(0, sequence, 1).narrow(1, start, count).fill_(0);
                    yield return (new TokenBatch(tokens, ids, mask: null), sequence, start);
                }
            }
        }
    }
}
