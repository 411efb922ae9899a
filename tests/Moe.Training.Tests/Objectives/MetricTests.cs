using static TorchSharp.torch;

namespace Moe.Training.Tests;

public sealed class MetricTests
{
    [Fact]
    public void Accuracy_is_the_share_of_samples_whose_largest_logit_is_the_targets()
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new[] { 1f, 2f, 3f, 0f, 0f, 1f, 5f, 6f }, 4, 2);
        Metric.Accuracy.Compute(logits, tensor(new[] { 1L, 0L, 0L, 1L })).item<double>().Should().Be(0.75);
        Metric.Accuracy.HigherIsBetter.Should().BeTrue();
    }

    [Fact]
    public void The_mean_absolute_error_is_in_the_targets_unit()
    {
        using var scope = NewDisposeScope();
        Metric.MeanAbsoluteError.Compute(tensor(new[] { 1.0, 2.0 }), tensor(new[] { 4.0, 1.0 })).item<double>().Should().Be(2);
        Metric.MeanAbsoluteError.HigherIsBetter.Should().BeFalse();
    }

    [Fact]
    public void Targets_that_broadcasting_would_make_fit_are_refused()
    {
        using var scope = NewDisposeScope();
        ((Action)(() => Metric.Accuracy.Compute(randn(4, 3), zeros(4, 1, dtype: ScalarType.Int64))))
            .Should().Throw<ArgumentException>().WithMessage("Expected target of shape [4], got [4, 1].*");
        ((Action)(() => Metric.MeanAbsoluteError.Compute(randn(4, 1), randn(4))))
            .Should().Throw<ArgumentException>().WithMessage("Expected target of shape [4, 1], got [4].*");
    }
}
