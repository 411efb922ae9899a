using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class NearestNeighboursLearnerTests
{
    [Fact]
    public void Digits_are_known_by_three_neighbours()
    {
        var (inputs, labels, fold) = Digits.Load();
        using var train = Digits.Rows(fold, 0, outside: true);
        using var test = Digits.Rows(fold, 0, outside: false);
        var data = new FitData(inputs, Response.Class(labels, 10));
        var expert = new NearestNeighboursLearner(new() { Neighbours = 3, Standardise = false }).Fit(data.Select(train), FitContext.Default);
        using var shares = expert.forward(inputs.index_select(0, test));
        shares.argmax(1).eq(labels.index_select(0, test)).to(ScalarType.Float64).mean().item<double>().Should().BeGreaterThan(0.98);
        KernelFamilyTests.Close(Waves.Doubles(shares.sum(dim: 1)), [.. Enumerable.Repeat(1.0, (int)test.size(0))], 1e-12);
        shares.min().item<double>().Should().BeApproximately(0.01 / 3.1, 1e-12);
    }

    [Fact]
    public void Votes_are_weights_times_nearness()
    {
        var data = new FitData(tensor(new[] { 0.0, 1, 3, 100 }).unsqueeze(1), Response.Real(tensor(new[] { 1.0, 2, 6, 50 })), tensor(new[] { 1.0, 2, 1, 1 }));
        var options = new NearestNeighboursOptions { Neighbours = 3, Standardise = false };
        using var at = tensor(new[] { 2.0 }).unsqueeze(1);
        new NearestNeighboursLearner(options).Fit(data, FitContext.Default).forward(at).item<double>().Should().BeApproximately((1 + 4 + 6) / 4.0, 1e-12);
        var near = new NearestNeighboursLearner(options with { Weighting = NeighbourWeighting.Distance }).Fit(data, FitContext.Default);
        near.forward(at).item<double>().Should().BeApproximately((0.5 + 4 + 6) / 3.5, 1e-12);
        near.forward(data.Inputs.narrow(0, 2, 1)).item<double>().Should().Be(6);
    }

    [Fact]
    public void Out_of_sample_is_a_fit_without_the_row()
    {
        var data = Waves.Make(14, 2, 3, Waves.Weights(14));
        var learner = new NearestNeighboursLearner(new() { Neighbours = 3, Standardise = false });
        var leftOut = Waves.Doubles(((IOutOfSample)learner.Fit(data, FitContext.Default)).OutOfSample());
        for (var row = 0; row < 14; row++)
            learner.Fit(data.Select(Waves.Others(14, row)), FitContext.Default).forward(data.Inputs.narrow(0, row, 1)).item<double>().Should().BeApproximately(leftOut[row], 1e-12);
    }

    [Fact]
    public void Equal_distances_go_to_the_first_row_and_a_lone_class_row_knows_nothing_of_itself()
    {
        var data = new FitData(tensor(new[] { 1.0, -1, 1 }).unsqueeze(1), Response.Class(tensor(new[] { 0.0, 1, 2 }), 3));
        using var shares = new NearestNeighboursLearner(new() { Neighbours = 1, Standardise = false }).Fit(data, FitContext.Default).forward(zeros(1, 1));
        shares.argmax(1).item<long>().Should().Be(0);
        var one = (IOutOfSample)new NearestNeighboursLearner(new() { Smoothing = 0 }).Fit(data.Select(tensor(new[] { 1L })), FitContext.Default);
        KernelFamilyTests.Close(Waves.Doubles(one.OutOfSample()), [1.0 / 3, 1.0 / 3, 1.0 / 3], 1e-12);
    }

    [Fact]
    public void Options_out_of_range_are_refused() =>
        FluentActions.Invoking(() => new NearestNeighboursLearner(new() { Neighbours = 0, Smoothing = -1 })).Should().Throw<ArgumentException>().WithMessage("*Neighbours is 0*Smoothing is -1*");
}
