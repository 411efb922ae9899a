using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>What holds of kernel ridge regression, Gaussian processes and nearest neighbours alike.</summary>
public sealed class KernelFamilyTests
{
    private static readonly Dictionary<string, IExpertLearner> Learners = new()
    {
        ["kernel ridge"] = new KernelRidgeLearner(),
        ["gp"] = new GaussianProcessLearner(),
        ["neighbours"] = new NearestNeighboursLearner(new() { Weighting = NeighbourWeighting.Distance }),
    };

    public static TheoryData<string> Names { get; } = [.. Learners.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_obeys_the_contract_of_experts(string name)
    {
        var data = Waves.Make(20, 3, 1);
        foreach (var law in ExpertContract.Laws)
            new ExpertContract(() => Learners[name].Fit(data, FitContext.Default), ScalarType.Float64).Verify(law);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Weights_are_relative_and_rows_without_weight_are_not_there(string name)
    {
        var weights = Waves.Weights(24);
        weights[5] = weights[17] = 0;
        var data = Waves.Make(24, 2, 2, weights);
        using var rows = Waves.Make(9, 2, 3).Inputs;
        var answers = Waves.Doubles(Learners[name].Fit(data, FitContext.Default).forward(rows));
        var scaled = Learners[name].Fit(data.WithWeights(data.Weights! * 4), FitContext.Default);
        var without = Learners[name].Fit(data.Select(tensor(Enumerable.Range(0, 24).Where(row => weights[row] > 0).Select(row => (long)row).ToArray())), FitContext.Default);
        Close(Waves.Doubles(scaled.forward(rows)), answers, 1e-6);
        Close(Waves.Doubles(without.forward(rows)), answers, 1e-6);
        Waves.Doubles(((IOutOfSample)scaled).OutOfSample()).Should().HaveCount(24).And.OnlyContain(value => double.IsFinite(value));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_stored_expert_answers_as_before(string name)
    {
        var data = Waves.Make(15, 2, 4, Waves.Weights(15));
        var expert = (IStoredExpert)Learners[name].Fit(data, FitContext.Default);
        using var state = expert.ToState();
        var read = StoredExperts.Read(state);
        Waves.Doubles(read.forward(data.Inputs)).Should().Equal(Waves.Doubles(expert.forward(data.Inputs)));
        Waves.Doubles(((IOutOfSample)read).OutOfSample()).Should().Equal(Waves.Doubles(((IOutOfSample)expert).OutOfSample()));
        if (expert is IVarianceExpert sure)
            Waves.Doubles(((IVarianceExpert)read).PredictVariance(data.Inputs)).Should().Equal(Waves.Doubles(sure.PredictVariance(data.Inputs)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Poor_rows_give_finite_answers(string name)
    {
        var one = new FitData(ones(1, 2), Response.Real(tensor(new[] { 5.0 })));
        var same = new FitData(ones(6, 2), Response.Real(tensor(new[] { 1.0, 2, 3, 1, 2, 3 })));
        var flat = new FitData(Waves.Make(9, 2, 1).Inputs, Response.Real(ones(9, dtype: ScalarType.Float64) * 7));
        var huge = Waves.Make(9, 2, 1, [1e12, 1, 1, 1e-9, 1, 1, 1, 1, 1]);
        foreach (var data in new[] { one, same, flat, huge })
        {
            var expert = Learners[name].Fit(data, FitContext.Default);
            Waves.Doubles(expert.forward(data.Inputs)).Should().OnlyContain(value => double.IsFinite(value));
            Waves.Doubles(((IOutOfSample)expert).OutOfSample()).Should().OnlyContain(value => double.IsFinite(value));
            if (expert is IVarianceExpert sure)
                Waves.Doubles(sure.PredictVariance(data.Inputs)).Should().OnlyContain(value => value > 0 && double.IsFinite(value));
        }
        Close(Waves.Doubles(Learners[name].Fit(one, FitContext.Default).forward(zeros(1, 2, dtype: ScalarType.Float64))), [5], 1e-9);
        Close(Waves.Doubles(Learners[name].Fit(flat, FitContext.Default).forward(zeros(1, 2, dtype: ScalarType.Float64))), [7], 1e-9);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_survives_the_scope_of_its_fit_and_leaves_nothing_behind(string name)
    {
        var data = Waves.Make(12, 2, 1);
        IOutOfSample expert;
        using (NewDisposeScope())
            expert = (IOutOfSample)Learners[name].Fit(data, FitContext.Default);
        LiveTensors.After(() =>
        {
            expert.forward(data.Inputs).Dispose();
            expert.OutOfSample().Dispose();
            (expert as IVarianceExpert)?.PredictVariance(data.Inputs).Dispose();
            (expert as IDensityExpert)?.LogDensity(data.Inputs, data.Response).Dispose();
        }).Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_refuses_counts(string name) =>
        FluentActions.Invoking(() => Learners[name].Fit(new FitData(ones(2, 1), Response.Count(tensor(new[] { 1.0, 2 }))), FitContext.Default)).Should().Throw<ArgumentException>();

    internal static void Close(double[] answers, double[] expected, double tolerance)
    {
        answers.Should().HaveSameCount(expected);
        for (var place = 0; place < answers.Length; place++)
            answers[place].Should().BeApproximately(expected[place], tolerance);
    }
}
