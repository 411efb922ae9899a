using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class RegressionLawTests
{
    public static TheoryData<string> Names() => [.. RegressionCases.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_expert_keeps_the_contract(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Fit(name);
        new ExpertContract(() => expert, ScalarType.Float64).Verify();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Rows_of_weight_0_are_as_if_removed_and_a_weight_of_2_as_a_row_twice(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var data = RegressionCases.Data(kind);
        var weights = Enumerable.Range(0, 60).Select(row => (double)(row % 3)).ToArray();
        var rows = Enumerable.Range(0, 60).SelectMany(row => Enumerable.Repeat((long)row, row % 3)).ToArray();
        var weighted = learner.Fit(data.WithWeights(tensor(weights)), FitContext.Default);
        var repeated = learner.Fit(data.Select(tensor(rows)), FitContext.Default);
        Same(weighted, repeated, 1e-7);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_scale_of_the_weights_does_not_matter(string name)
    {
        // Smoothing is documented as a number of rows.
        if (name is "multinomial bayes" or "bernoulli bayes")
            return;
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var data = RegressionCases.Data(kind);
        var weights = RegressionCases.Numbers(60, 7, 0.1, 2);
        var plain = learner.Fit(data.WithWeights(tensor(weights)), FitContext.Default);
        foreach (var scale in new[] { 1e-6, 1e6 })
            Same(learner.Fit(data.WithWeights(tensor(weights.Select(weight => weight * scale).ToArray())), FitContext.Default), plain, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_state_gives_the_same_expert_back(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Fit(name);
        using var state = ((IStoredExpert)expert).ToState();
        var read = StoredExperts.Read(state);
        read.Should().BeOfType(expert.GetType());
        Same(read, expert, 0);
        ((IParametric)read).DegreesOfFreedom.Should().Be(((IParametric)expert).DegreesOfFreedom);
        var (data, kind) = (RegressionCases.Rows(9, 5), RegressionCases.All[name].Kind);
        var response = RegressionCases.ResponseOf(kind, 9, 6);
        Densities(read, data, response).Should().Equal(Densities(expert, data, response));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Answers_and_fits_leave_no_tensor_behind(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var data = RegressionCases.Data(kind);
        IExpert expert = null!;
        LiveTensors.After(() => expert = learner.Fit(data, FitContext.Default)).Should().Be(0);
        LiveTensors.After(() =>
        {
            expert.forward(data.Inputs).Dispose();
            ((IDensityExpert)expert).LogDensity(data.Inputs, data.Response).Dispose();
        }).Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Constant_and_repeated_columns_change_no_prediction_to_NaN(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var rows = RegressionCases.Rows(40);
        var odd = cat([rows, rows.narrow(1, 0, 1), full(40, 1, 3.0, dtype: ScalarType.Float64)], 1);
        var expert = learner.Fit(new FitData(odd, RegressionCases.ResponseOf(kind, 40)), FitContext.Default);
        RegressionCases.Answers(expert, odd).Should().OnlyContain(value => double.IsFinite(value));
        if (name is "linear" or "poisson" or "binomial" or "softmax without ridge")
        {
            var plain = learner.Fit(new FitData(rows, RegressionCases.ResponseOf(kind, 40)), FitContext.Default);
            RegressionCases.Answers(expert, odd).Zip(RegressionCases.Answers(plain, rows)).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Fewer_rows_than_columns_give_finite_answers(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var expert = learner.Fit(RegressionCases.Data(kind, 2), FitContext.Default);
        RegressionCases.Answers(expert, RegressionCases.Rows(5, 9)).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_response_of_another_kind_is_refused_by_name(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = RegressionCases.All[name];
        var other = kind == ResponseKind.Real ? ResponseKind.Class : ResponseKind.Real;
        learner.Takes(kind).Should().BeTrue();
        learner.Takes(other).Should().BeFalse();
        var fit = () => learner.Fit(RegressionCases.Data(other), FitContext.Default);
        fit.Should().Throw<ArgumentException>().WithMessage($"*{kind}*{other}*");
    }

    private static IExpert Fit(string name) => RegressionCases.All[name].Learner.Fit(RegressionCases.Data(RegressionCases.All[name].Kind), FitContext.Default);

    private static double[] Densities(IExpert expert, Tensor rows, Response response) => ((IDensityExpert)expert).LogDensity(rows, response).data<double>().ToArray();

    private static void Same(IExpert left, IExpert right, double tolerance)
    {
        var rows = RegressionCases.Rows(20, 3);
        RegressionCases.Answers(left, rows).Zip(RegressionCases.Answers(right, rows)).Should()
            .OnlyContain(pair => Math.Abs(pair.First - pair.Second) <= tolerance * (1 + Math.Abs(pair.Second)));
    }
}
