using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class KernelRidgeLearnerTests
{
    private static KernelRidgeLearner Held(double ridge) =>
        new(new() { Kernel = new RbfKernel { LengthScale = 0.6 }, Ridge = ridge, ChooseLengthScale = false, Standardise = false });

    [Fact]
    public void Leaving_one_out_is_what_refits_say()
    {
        var weights = Waves.Weights(12);
        var data = Waves.Make(12, 2, 5, weights);
        var leftOut = Waves.Doubles(((IOutOfSample)Held(0.01).Fit(data, FitContext.Default)).OutOfSample());
        for (var row = 0; row < 12; row++)
        {
            // The penalty λ Σw is that of the whole.
            var refit = Held(0.01 * weights.Sum() / (weights.Sum() - weights[row])).Fit(data.Select(Waves.Others(12, row)), FitContext.Default);
            refit.forward(data.Inputs.narrow(0, row, 1)).item<double>().Should().BeApproximately(leftOut[row], 1e-9);
        }
    }

    [Fact]
    public void A_weight_of_two_is_a_row_twice()
    {
        var data = Waves.Make(8, 1, 6, [2, 1, 1, 1, 1, 1, 1, 1]);
        var twice = Waves.Make(8, 1, 6).Select(tensor(new[] { 0L, 0, 1, 2, 3, 4, 5, 6, 7 }));
        KernelFamilyTests.Close(Waves.Doubles(Held(0.02).Fit(data, FitContext.Default).forward(data.Inputs)), Waves.Doubles(Held(0.02).Fit(twice, FitContext.Default).forward(data.Inputs)), 1e-9);
    }

    [Fact]
    public void Degrees_of_freedom_are_the_derivatives_of_fitted_values()
    {
        var (inputs, response) = Waves.Numbers(9, 1, 7);
        var expert = (KernelRidgeExpert)Held(0.03).Fit(new FitData(tensor(inputs), Response.Real(tensor(response))), FitContext.Default);
        var trace = 0.0;
        for (var row = 0; row < 9; row++)
        {
            var moved = response.ToArray();
            moved[row] += 1;
            var other = Held(0.03).Fit(new FitData(tensor(inputs), Response.Real(tensor(moved))), FitContext.Default);
            trace += Waves.Doubles(other.forward(tensor(inputs)))[row] - Waves.Doubles(expert.forward(tensor(inputs)))[row];
        }
        expert.DegreesOfFreedom.Should().BeApproximately(trace, 1e-8);
    }

    [Fact]
    public void A_refit_that_leaves_length_scales_out_chooses_as_one_that_tries_all_neighbours()
    {
        using var scope = NewDisposeScope();
        var learner = new KernelRidgeLearner();
        var data = Waves.Make(60, 2, 4);
        var random = new Random(5);
        double[] weights = [.. Enumerable.Repeat(1.0, 60)];
        var (known, plain) = (learner.Fit(data, FitContext.Default), learner.Fit(data, FitContext.Default));
        var leftOut = 0;
        for (var (refit, pace) = (0, 0.5); refit < 12; refit++, pace *= 0.7)
        {
            weights = [.. weights.Select(weight => Math.Clamp(weight + (pace * (random.NextDouble() - 0.5)), 0.05, 2))];
            var moved = data.WithWeights(tensor(weights));
            double[] shares = [.. weights.Select(weight => weight / weights.Sum())];
            leftOut += Enumerable.Range(0, 8).Count(scale => !((KernelRidgeExpert)known).Scales!.MayLead(scale, shares));
            known = learner.Fit(moved, new FitContext { Previous = known });

            // What comes from a file remembers no errors.
            plain = learner.Fit(moved, new FitContext { Previous = KernelRidgeExpert.FromState(((IStoredExpert)plain).ToState()) });
            Waves.Doubles(known.forward(data.Inputs)).Should().Equal(Waves.Doubles(plain.forward(data.Inputs)));
        }
        leftOut.Should().BeGreaterThan(12);
    }

    [Fact]
    public void The_chosen_ridge_and_length_follow_the_wave()
    {
        var expert = new KernelRidgeLearner().Fit(Waves.Make(80, 1, 8), FitContext.Default);
        var test = Waves.Make(50, 1, 9);
        var error = Waves.Doubles((expert.forward(test.Inputs).squeeze(1) - test.Response.Values).square().mean().sqrt())[0];
        error.Should().BeLessThan(0.09);
    }
}
