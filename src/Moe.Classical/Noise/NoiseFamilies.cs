namespace Moe.Classical;

/// <summary>The noise that a kind of response has unless another is asked for.</summary>
public static class NoiseFamilies
{
    /// <summary>Normal for real numbers, Poisson for counts, binomial for trials, categorical for classes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The kind is none of these.</exception>
    public static NoiseFamily DefaultFor(ResponseKind kind) => kind switch
    {
        ResponseKind.Real => new GaussianNoiseFamily(),
        ResponseKind.Count => new PoissonNoiseFamily(),
        ResponseKind.Trials => new BinomialNoiseFamily(),
        ResponseKind.Class => new CategoricalNoiseFamily(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such kind of response."),
    };
}
