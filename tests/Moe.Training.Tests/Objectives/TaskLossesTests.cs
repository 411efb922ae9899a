using static TorchSharp.torch;

namespace Moe.Training.Tests;

public sealed class TaskLossesTests
{
    [Fact]
    public void Cross_entropy_is_the_mean_of_minus_log_softmax_at_the_target()
    {
        using var scope = NewDisposeScope();
        var logits = Make.Normal(1, 5, 3);
        long[] targets = [0, 2, 1, 1, 0];

        var rows = State.Numbers(logits).Chunk(3).ToArray();
        var expected = rows.Zip(targets, (row, target) => Math.Log(row.Sum(Math.Exp)) - row[target]).Average();

        State.Number(TaskLosses.CrossEntropy(logits, tensor(targets))).Should().BeApproximately(expected, 1e-12);
        State.Number(TaskLosses.CrossEntropy(logits.reshape(1, 5, 3), tensor(targets).reshape(1, 5))).Should().BeApproximately(expected, 1e-12);
    }

    [Fact]
    public void Cross_entropy_takes_probabilities_and_leaves_out_targets_of_minus_100()
    {
        using var scope = NewDisposeScope();
        var logits = Make.Normal(1, 3, 3);
        var hard = State.Number(TaskLosses.CrossEntropy(logits, tensor(new long[] { 2, 0, 1 })));

        State.Number(TaskLosses.CrossEntropy(logits, nn.functional.one_hot(tensor(new long[] { 2, 0, 1 }), 3).to(ScalarType.Float64)))
            .Should().BeApproximately(hard, 1e-12);
        State.Number(TaskLosses.CrossEntropy(logits, tensor(new long[] { 2, 0, -100 })))
            .Should().BeApproximately(State.Number(TaskLosses.CrossEntropy(logits.narrow(0, 0, 2), tensor(new long[] { 2, 0 }))), 1e-12);
    }

    [Fact]
    public void Cross_entropy_names_both_shapes_when_they_do_not_fit()
    {
        using var scope = NewDisposeScope();
        var logits = Make.Normal(1, 5, 3);

        FluentActions.Invoking(() => TaskLosses.CrossEntropy(logits, zeros(4, dtype: ScalarType.Int64)))
            .Should().Throw<ArgumentException>()
            .WithMessage("Expected target of shape [5] and type Int64, or [5, 3] and a floating type, got [4] of Int64.*");
        FluentActions.Invoking(() => TaskLosses.CrossEntropy(logits, zeros(5, dtype: ScalarType.Float64)))
            .Should().Throw<ArgumentException>().WithMessage("*[5] of Float64.*").WithParameterName("target");
    }

    [Fact]
    public void Squared_error_is_the_mean_over_all_entries_and_does_not_broadcast()
    {
        using var scope = NewDisposeScope();
        var (output, target) = (Make.Normal(1, 4, 2), Make.Normal(2, 4, 2));
        var expected = State.Numbers(output).Zip(State.Numbers(target), (a, b) => (a - b) * (a - b)).Average();

        State.Number(TaskLosses.MeanSquaredError(output, target)).Should().BeApproximately(expected, 1e-14);
        FluentActions.Invoking(() => TaskLosses.MeanSquaredError(output, target.narrow(1, 0, 1)))
            .Should().Throw<ArgumentException>().WithMessage("Expected target of shape [4, 2] and type Float64, as the output, got [4, 1] of Float64.*").WithParameterName("target");
    }

    [Fact]
    public void Logits_without_classes_are_refused()
    {
        using var scope = NewDisposeScope();
        FluentActions.Invoking(() => TaskLosses.CrossEntropy(zeros([]), zeros([], dtype: ScalarType.Int64)))
            .Should().Throw<ArgumentException>().WithMessage("Expected output of shape [*, classes] and a floating type, got [] of Float32.*").WithParameterName("output");
        FluentActions.Invoking(() => TaskLosses.CrossEntropy(zeros([4, 3], dtype: ScalarType.Int64), zeros(4, dtype: ScalarType.Int64)))
            .Should().Throw<ArgumentException>().WithMessage("*got [4, 3] of Int64.*").WithParameterName("output");
    }

    [Fact]
    public void Null_is_refused()
    {
        using var some = zeros(1);
        FluentActions.Invoking(() => TaskLosses.CrossEntropy(null!, some)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => TaskLosses.CrossEntropy(some, null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => TaskLosses.MeanSquaredError(null!, some)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => TaskLosses.MeanSquaredError(some, null!)).Should().Throw<ArgumentNullException>();
    }

    [Fact]
    public void Metrics_are_what_a_hand_counts()
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new[] { 1.0, 2, 0, 5, 1, 1, 0, 0, 1, 0, 3, 1 }, [4, 3]);

        State.Number(Metric.Accuracy.Compute(logits, tensor(new long[] { 1, 0, 0, 1 }))).Should().Be(0.75);
        State.Number(Metric.MeanAbsoluteError.Compute(tensor(new[] { 1.0, 2, -3 }), tensor(new[] { 2.0, 2, 1 }))).Should().BeApproximately(5.0 / 3, 1e-15);
        (Metric.Accuracy.HigherIsBetter, Metric.MeanAbsoluteError.HigherIsBetter).Should().Be((true, false));
    }
}
