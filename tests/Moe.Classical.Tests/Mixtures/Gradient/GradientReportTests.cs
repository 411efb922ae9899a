using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class GradientReportTests
{
    private static readonly MixtureMember[] Lines = [new("first", GradientCases.Line()), new("second", GradientCases.Line())];

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Count)]
    [InlineData(ResponseKind.Class)]
    public void The_log_likelihood_is_that_of_the_mixture(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var data = Of(kind).WithWeights(tensor(Enumerable.Range(0, 60).Select(row => row % 4 * 0.5).ToArray()));
        var (mixture, report) = new GradientMixtureLearner(Lines, new() { Epochs = 12, BatchRows = 20, LastTemperature = 0.5 }).Fit(data);
        report.LogLikelihood.Should().BeApproximately(mixture.LogLikelihood(data), 1e-8);
        report.TrainingLosses[^1].Should().BeApproximately(-mixture.LogLikelihood(data) / data.Weights!.sum().item<double>(), 1e-10);
        report.Trace.Should().HaveCount(12);
        report.Trace[^1].Should().BeGreaterThan(report.Trace[0]);
        (report.Epochs, report.KeptEpoch, report.StoppedEarly, report.OutOfFold, report.TrainedRows, report.HeldOutRows).Should().Be((12, 12, false, false, 45, 0));
        report.HeldOutLosses.Should().BeEmpty();
        var means = mixture.Gates(data.Inputs).mul(data.Weights.unsqueeze(1)).sum(dim: 0).div(data.Weights.sum()).data<double>().ToArray();
        report.MeanGates.Zip(means, (told, mean) => Math.Abs(told - mean)).Max().Should().BeLessThan(1e-12);
        report.Seconds.Should().BePositive();
    }

    [Fact]
    public void The_blended_error_is_that_of_the_mixture()
    {
        using var scope = NewDisposeScope();
        var data = Of(ResponseKind.Real);
        var (mixture, report) = new GradientMixtureLearner(Lines, new() { Epochs = 8, Loss = GradientLoss.BlendedError }).Fit(data);
        var error = mixture.forward(data.Inputs).squeeze(1).sub(data.Response.Values);
        report.TrainingLosses[^1].Should().BeApproximately(error.mul(error).mean().item<double>(), 1e-10);
        report.Trace.Should().BeEmpty();
        report.LogLikelihood.Should().BeNull();
    }

    [Fact]
    public void Rows_held_back_choose_the_epoch_and_progress_tells_what_the_report_has()
    {
        using var scope = NewDisposeScope();
        var told = new Told();
        var options = new GradientOptions { Epochs = 400, LearningRate = 0.1, ValidationShare = 0.5, Patience = 5, Decay = RateDecay.None };
        var report = new GradientMixtureLearner([new("network", GradientCases.Hidden(32))], options).Fit(GradientCases.Bent(40, 1), progress: told).Report;
        report.StoppedEarly.Should().BeTrue();
        report.HeldOutLosses[report.KeptEpoch - 1].Should().Be(report.HeldOutLosses.Min());
        report.Epochs.Should().Be(report.KeptEpoch + 5);
        (report.TrainedRows, report.HeldOutRows).Should().Be((20, 20));
        told.Seen.Select(progress => progress.Loss).Should().Equal(report.TrainingLosses);
        told.Seen.Select(progress => progress.ValidationLoss!.Value).Should().Equal(report.HeldOutLosses);
        report.ToString().Should().Contain("stopped early").And.Contain("of 20 rows held back");
    }

    [Fact]
    public void What_is_odd_is_said()
    {
        using var scope = NewDisposeScope();
        var rows = linspace(-2, 2, 60, dtype: ScalarType.Float64).reshape(60, 1);
        var data = new FitData(rows, Response.Real(rows.squeeze(1).mul(2)));
        MixtureMember[] members = [new("rule", new DelegateExpert(1, 1, given => given.mul(2))), new("nonsense", new DelegateExpert(1, 1, given => given.mul(0).add(1e4)))];
        var exact = new GradientMixtureLearner(members, new() { Epochs = 600, BatchRows = 10, LearningRate = 0.05 }).Fit(data).Report;
        exact.Warnings.Should().HaveCount(2).And.Contain(warning => warning.StartsWith("The gate hardly asks expert \"nonsense\"", StringComparison.Ordinal))
            .And.Contain("The noise of expert \"rule\" is at its floor.");
        exact.ToString().Should().Contain("Warning: The noise of expert \"rule\"");
        new GradientMixtureLearner(Lines, new() { Epochs = 3, ValidationShare = 0.2 }).Fit(GradientCases.Bent(60, 1)).Report
            .Warnings.Should().ContainSingle().Which.Should().Contain("more epochs");
        new GradientMixtureLearner(Lines, new() { Epochs = 60, Seed = 1 }).Fit(GradientCases.Bent(60, 1)).Report.Warnings.Should().BeEmpty();
    }

    private static FitData Of(ResponseKind kind)
    {
        var bent = GradientCases.Bent(60, 1);
        var large = bent.Response.Values.gt(1).to(ScalarType.Float64);
        return new FitData(bent.Inputs, kind switch { ResponseKind.Class => Response.Class(large, 2), ResponseKind.Count => Response.Count(large.mul(5)), _ => Response.Real(bent.Response.Values.mul(7)) });
    }

    private sealed class Told : IProgress<GradientProgress>
    {
        public List<GradientProgress> Seen { get; } = [];

        public void Report(GradientProgress value) => Seen.Add(value);
    }
}
