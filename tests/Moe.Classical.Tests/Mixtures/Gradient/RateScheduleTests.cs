using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class RateScheduleTests
{
    [Theory]
    [InlineData(RateDecay.None, new[] { 1.0, 1, 1, 1, 1, 1, 1, 1 })]
    [InlineData(RateDecay.Linear, new[] { 1, 1 - (0.9 / 7), 1 - (1.8 / 7), 1 - (2.7 / 7), 1 - (3.6 / 7), 1 - (4.5 / 7), 1 - (5.4 / 7), 0.1 })]
    public void The_rate_goes_from_all_to_what_is_left(RateDecay decay, double[] expected)
    {
        var rates = new RateSchedule(new() { Epochs = 4, BatchRows = 10, Decay = decay, LastRateShare = 0.1 }, rows: 11);
        Enumerable.Range(0, 8).Select(step => rates.At(step)).Zip(expected, (rate, given) => Math.Abs(rate - given)).Max().Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Half_a_cosine_has_its_half_in_the_middle_and_warming_up_comes_before_it()
    {
        var cosine = new RateSchedule(new() { Epochs = 5, BatchRows = 10, LastRateShare = 0.2 }, rows: 10);
        Enumerable.Range(0, 5).Select(step => Math.Round(cosine.At(step), 12)).Should().Equal(1, Math.Round(0.6 + (0.4 * Math.Sqrt(0.5)), 12), 0.6, Math.Round(0.6 - (0.4 * Math.Sqrt(0.5)), 12), 0.2);
        var warmed = new RateSchedule(new() { Epochs = 5, BatchRows = 10, WarmUpEpochs = 2, Decay = RateDecay.Linear, LastRateShare = 0.5 }, rows: 10);
        Enumerable.Range(0, 5).Select(step => Math.Round(warmed.At(step), 12)).Should().Equal(Math.Round(1 / 3.0, 12), Math.Round(2 / 3.0, 12), 1, 0.75, 0.5);
    }

    [Fact]
    public void A_share_of_a_step_is_a_step_at_that_share_of_the_rate()
    {
        using var scope = NewDisposeScope();
        var (one, other) = (Start(), Start());
        var (shortened, small) = (new HostAdamW([one], 0.1, 0.01), new HostAdamW([other], 0.025, 0.01));
        for (var step = 0; step < 5; step++)
        {
            one.mul(one).mul(one).sum().backward();
            other.mul(other).mul(other).sum().backward();
            shortened.Step(0.25);
            small.Step();
        }
        one.sub(other).abs().max().item<double>().Should().BeLessThan(1e-14);
        one.sub(Start()).abs().min().item<double>().Should().BeGreaterThan(0.05);

        static Tensor Start() => tensor(new[] { 0.5, -2, 3 }, requires_grad: true);
    }

    [Theory]
    [InlineData(RateDecay.Linear)]
    [InlineData(RateDecay.Cosine)]
    public void Steps_that_become_small_end_nearer_to_the_maximum(RateDecay decay)
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Overlapping(150);
        MixtureMember[] lines = [new("first", GradientCases.Line()), new("second", GradientCases.Line())];
        var options = new GradientOptions { Epochs = 150, BatchRows = 15, LearningRate = 0.02, WeightDecay = 0, Seed = 1 };
        var most = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { GateRidge = 0, Restarts = 4 }).Fit(data).LogLikelihood(data);
        var constant = most - Fit(RateDecay.None);
        (most - Fit(decay)).Should().BeLessThan(0.2 * constant);

        double Fit(RateDecay how) => new GradientMixtureLearner(lines, options with { Decay = how }).Fit(data).Report.LogLikelihood!.Value;
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        var fit = () => new GradientMixtureLearner([new("line", GradientCases.Line())], new() { Decay = (RateDecay)7, LastRateShare = 0, WarmUpEpochs = 200 });
        fit.Should().Throw<ArgumentException>().WithMessage("*Decay (7)*LastRateShare (0)*WarmUpEpochs (200) must be from 0 to Epochs (200) - 1*");
    }
}
