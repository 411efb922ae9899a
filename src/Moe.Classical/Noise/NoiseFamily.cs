using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A kind of noise, to be fitted around predictions.</summary>
public abstract class NoiseFamily
{
    /// <summary>Short name for tables and files, such as "gaussian".</summary>
    public abstract string Name { get; }

    /// <summary>True for kinds of response that it describes.</summary>
    public abstract bool Takes(ResponseKind kind);

    /// <summary>Fits the noise by maximum likelihood.</summary>
    /// <param name="prediction">[n, Dout], Float64 on the CPU, contiguous.</param>
    /// <param name="response">n entries.</param>
    /// <param name="weights">[n], at least 0; null for 1 each.</param>
    /// <param name="floor">The smallest standard deviation allowed, in units of the response: likelihoods have no bound as it goes to 0.</param>
    public abstract NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor);
}
