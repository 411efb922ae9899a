using Moe.Core;

namespace Moe.Testing;

/// <summary>What must hold for tokens that are none.</summary>
internal static class PaddingLaws
{
    private static readonly bool[] Real = [true, false, true, true, true, false, false, true];

    private static readonly long[] RealTokens = [.. Real.Select((real, token) => (real, token)).Where(pair => pair.real).Select(pair => (long)pair.token)];

    public static void Absent(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(8).WithMask(Real);
        foreach (var training in new[] { false, true })
        {
            var decision = trial.Numbers(router, batch, training);
            RequireAbsence(trial, decision);
            foreach (var value in new[] { 1e4, double.NaN })
            {
                var filled = trial.Numbers(router, Filled(batch, value), training);
                RequireSameForReal(trial, decision, filled, token => (int)token, 0, $"with {value} in the padding");
            }
        }

        // With fewer tokens fewer numbers are drawn, so that only decisions without draws can be compared.
        if (trial.Options.DeterministicEvaluation)
        {
            var without = trial.Numbers(router, batch.Only(RealTokens), training: false);
            RequireSameForReal(trial, trial.Numbers(router, batch, training: false), without, token => Array.IndexOf(RealTokens, token), trial.Tolerance, "routed without the padding");
        }
        InLayer(trial, trial.Layer(router), batch);
    }

    public static void Only(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var layer = trial.Layer(router);
        var batch = Filled(trial.Batch(2, 4).WithMask(new bool[8]), double.NaN);
        foreach (var training in new[] { false, true })
        {
            using var decision = trial.Route(router, batch, training);
            var numbers = DecisionInNumbers.From(decision);
            DecisionLaws.All(trial, numbers);
            RequireAbsence(trial, numbers);
            trial.SendBack(router, decision.Weights);
            trial.RequireFiniteGradients(router, "the weights");

            var output = trial.Answer(layer, batch, training).Output;
            trial.Require(HostValues.Of(output).All(value => value == 0), "a layer answers padding with something else than 0");
            trial.SendBack(layer, output);
            trial.RequireFiniteGradients(router, "a layer's outputs");
        }
    }

    private static void RequireAbsence(RouterTrial trial, DecisionInNumbers decision)
    {
        for (var at = 0; at < decision.Kept.Length; at++)
            trial.Require(!decision.Kept[at] || decision.Real[at / decision.Choices], $"token {at / decision.Choices}, padding, is sent to expert {decision.Indices[at]}");
        var most = (long)decision.Choices * decision.Real.Count(real => real);
        trial.Require(decision.Assigned.Sum() <= most, $"{decision.Assigned.Sum()} assignments were made for real tokens that allow {most}");
    }

    /// <summary>Real tokens are routed the same; what a decision says about padding is nobody's business.</summary>
    private static void RequireSameForReal(
        RouterTrial trial, DecisionInNumbers expected, DecisionInNumbers actual, Func<long, int> place, double tolerance, string what)
    {
        foreach (var token in RealTokens)
        {
            var difference = expected.DifferenceAt((int)token, actual, place(token), tolerance);
            trial.Require(difference is null, $"{what}, {difference}");
        }
        trial.Require(expected.Load.SequenceEqual(actual.Load), $"{what}, the load is {DecisionInNumbers.List(actual.Load)} instead of {DecisionInNumbers.List(expected.Load)}");
    }

    private static void InLayer(RouterTrial trial, MixtureOfExperts layer, TokenBatch batch)
    {
        foreach (var training in new[] { false, true })
        {
            var (output, gradients) = AnswerAndGradients(trial, layer, batch, training);
            var (filled, filledGradients) = AnswerAndGradients(trial, layer, Filled(batch, double.NaN), training);
            trial.Require(output.SequenceEqual(filled), "with NaN in the padding, a layer's answers are others");
            trial.Require(gradients.SequenceEqual(filledGradients), "with NaN in the padding, the router's gradients are others");
            for (var token = 0; token < Real.Length; token++)
                trial.Require(Real[token] || output.Chunk(output.Length / Real.Length).ElementAt(token).All(value => value == 0), $"a layer answers token {token}, padding, with something else than 0");
        }
    }

    private static (double[] Output, double[] Gradients) AnswerAndGradients(RouterTrial trial, MixtureOfExperts layer, TokenBatch batch, bool training)
    {
        var tokens = batch.Tokens.clone().requires_grad_();
        var output = trial.Answer(layer, batch.WithTokens(tokens), training).Output;
        trial.SendBack(layer, output);
        trial.RequireFiniteGradients(layer.Gate, "a layer's outputs");
        trial.Require(tokens.grad is not { } gradient || HostValues.Of(gradient).All(double.IsFinite), "the gradient of a layer's outputs for the tokens is not finite");
        return (HostValues.Of(output), [.. layer.Gate.parameters().Where(parameter => parameter.grad is not null).SelectMany(parameter => HostValues.Of(parameter.grad!))]);
    }

    /// <summary>Padding that holds a value, and token ids that no vocabulary has.</summary>
    private static TokenBatch Filled(TokenBatch batch, double value)
    {
        var padding = batch.Mask!.bitwise_not();
        return new TokenBatch(batch.Tokens.masked_fill(padding.unsqueeze(-1), value), batch.Ids?.masked_fill(padding, -7), batch.Mask);
    }
}
