using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>How responses lie around a prediction: what makes a density of any model that only predicts.</summary>
/// <remarks>Fitted by a <see cref="NoiseFamily"/>; never changed after that; may be used on several threads at once.</remarks>
public abstract class NoiseModel
{
    /// <summary>Free parameters, such as 1 for a standard deviation.</summary>
    public abstract double DegreesOfFreedom { get; }

    /// <summary>log p(y | prediction) of each row, with all constants.</summary>
    /// <param name="prediction">[n, Dout], Float64 on the CPU, contiguous: means, or probabilities of classes.</param>
    /// <param name="response">n entries.</param>
    /// <returns>[n], Float64; never NaN. The caller owns it.</returns>
    public abstract Tensor LogDensity(Tensor prediction, Response response);

    /// <summary>The variance of a response around each prediction.</summary>
    /// <param name="prediction">[n, 1], Float64 on the CPU, contiguous.</param>
    /// <param name="trials">[n]: for successes out of trials, the number of trials (the variance is then that of the number of successes); null otherwise.</param>
    /// <returns>[n], Float64. The caller owns it.</returns>
    /// <exception cref="NotSupportedException">Responses are classes.</exception>
    public abstract Tensor Variance(Tensor prediction, Tensor? trials);

    /// <summary>P(response ≤ value) for each row: what intervals are made of.</summary>
    /// <param name="prediction">[n, 1], Float64 on the CPU, contiguous.</param>
    /// <param name="values">[n], Float64.</param>
    /// <param name="trials">[n] for successes out of trials; null otherwise.</param>
    /// <returns>[n], Float64, from 0 to 1. The caller owns it.</returns>
    /// <exception cref="NotSupportedException">Responses are classes.</exception>
    public abstract Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials);

    /// <summary>What a file holds of it.</summary>
    public abstract ExpertState ToState();
}
