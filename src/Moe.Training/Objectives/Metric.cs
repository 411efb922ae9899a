using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>A number that tells how good outputs are, measured on validation data without gradients.</summary>
/// <param name="Name">Its name in reports and columns.</param>
/// <param name="Compute">Maps output and target of a batch to a scalar: the mean over the batch's samples.</param>
/// <param name="HigherIsBetter">Which way is up.</param>
public sealed record Metric(string Name, Func<Tensor, Tensor, Tensor> Compute, bool HigherIsBetter)
{
    /// <summary>The share of samples whose largest logit is that of the target class, 0 to 1.</summary>
    public static Metric Accuracy { get; } = new(
        "accuracy", (output, target) => Same(output.argmax(-1), target).eq(target).to(ScalarType.Float64).mean(), HigherIsBetter: true);

    /// <summary>The mean of the absolute differences over all entries, in the target's unit.</summary>
    public static Metric MeanAbsoluteError { get; } = new(
        "mean_absolute_error", (output, target) => (Same(output, target) - target).abs().mean(), HigherIsBetter: false);

    /// <summary>Refuses shapes that broadcasting would make fit: the mean over all pairs is a number too, but not the one meant.</summary>
    private static Tensor Same(Tensor answer, Tensor target) => answer.shape.AsSpan().SequenceEqual(target.shape)
        ? answer
        : throw new ArgumentException(
            $"Expected target of shape [{string.Join(", ", answer.shape)}], got [{string.Join(", ", target.shape)}].", nameof(target));
}
