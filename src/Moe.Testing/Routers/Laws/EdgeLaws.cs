using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>What must hold at the edges of what can be asked.</summary>
internal static class EdgeLaws
{
    public static void NoTokensRefused(RouterTrial trial)
    {
        var router = trial.NewRouter();
        foreach (var shape in new long[][] { [0], [2, 0], [0, 4] })
        {
            var batch = trial.Batch(shape);
            var text = $"[{string.Join(", ", batch.Tokens.shape)}]";
            trial.Prepare(router, batch, training: true);
            var refusal = trial.RequireRefusal<ArgumentException>(() => router.Route(batch.Tokens, batch.Context), $"a batch of shape {text}");
            trial.Require(refusal is null || refusal.Message.Contains(text, StringComparison.Ordinal), $"the refusal does not name the shape {text}: {refusal?.Message}");
        }
    }

    public static void OneToken(RouterTrial trial)
    {
        var router = trial.NewRouter();
        foreach (var batch in new[] { trial.Batch(), trial.Batch(1), trial.Batch(1, 1) })
        {
            DecisionLaws.All(trial, trial.Numbers(router, batch, training: false));
            DecisionLaws.All(trial, trial.Numbers(router, batch, training: true));
        }
    }

    public static void OneExpert(RouterTrial trial)
    {
        if (trial.ExpertCount == 1)
            DecisionLaws.Everywhere(DecisionLaws.All)(trial);
    }

    public static void AllExperts(RouterTrial trial)
    {
        var router = trial.NewRouter();
        using var decision = trial.Route(router, trial.Batch(2, 4), training: true);
        if (decision.TopK == trial.ExpertCount)
            DecisionLaws.Everywhere(DecisionLaws.All)(trial);
    }

    public static void Ties(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        Regular(trial, router, batch.WithTokens(zeros_like(batch.Tokens)));
        Regular(trial, router, batch.WithTokens(batch.Tokens.narrow(0, 0, 1).narrow(1, 0, 1).expand_as(batch.Tokens)));
        using (no_grad())
        {
            foreach (var parameter in router.parameters())
                parameter.zero_();
        }
        Regular(trial, router, batch);
    }

    public static void LargeTokens(RouterTrial trial)
    {
        var batch = trial.Batch(2, 4);
        Regular(trial, trial.NewRouter(), batch.WithTokens(batch.Tokens * 1e4));
    }

    public static void NonFiniteTokensRefused(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var layer = trial.Layer(router);
        var batch = trial.Batch(2, 4).WithMask(true, true, true, true, true, true, false, false);
        foreach (var training in new[] { false, true })
        {
            var before = trial.Numbers(router, batch, training);
            foreach (var value in new[] { double.NaN, double.PositiveInfinity })
            {
                var tokens = batch.Tokens.clone();
                tokens.narrow(0, 0, 1).narrow(1, 2, 1).narrow(2, 0, 1).fill_(value);
                var spoilt = batch.WithTokens(tokens);
                var refusal = trial.RequireRefusal<NonFiniteRoutingException>(() => trial.Route(router, spoilt, training), $"a token with {value}");
                trial.Require(refusal is null || ReferenceEquals(refusal.Gate, router), "the refusal does not name the router");
                trial.RequireRefusal<NonFiniteRoutingException>(() => trial.Answer(layer, spoilt, training), $"a token with {value}, given to a layer,");
                RandomnessLaws.RequireSame(trial, before, trial.Numbers(router, batch, training), $"routed after {value} was refused");
            }
        }
    }

    /// <summary>All laws of a decision, twice the same, with finite gradients, in both modes.</summary>
    private static void Regular(RouterTrial trial, Router router, TokenBatch batch)
    {
        foreach (var training in new[] { false, true })
        {
            using var decision = trial.Route(router, batch, training);
            var numbers = DecisionInNumbers.From(decision);
            DecisionLaws.All(trial, numbers);
            trial.SendBack(router, decision.Weights);
            trial.RequireFiniteGradients(router, "the weights");
            RandomnessLaws.RequireSame(trial, numbers, trial.Numbers(router, batch, training), "routed again");
        }
    }
}
