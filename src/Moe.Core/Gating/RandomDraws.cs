using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Random numbers for one router, from its generator or, without one, from torch's global one.</summary>
public sealed class RandomDraws
{
    private readonly Router _router;

    internal RandomDraws(Router router) => _router = router;

    /// <summary>Replaces draws by recorded ones; for tests against numbers that others drew.</summary>
    internal Func<string, Tensor, Tensor?>? Recorded { get; set; }

    /// <summary>Standard normal.</summary>
    /// <param name="like">Says shape, type and device.</param>
    /// <returns>As <paramref name="like"/>, without gradients.</returns>
    /// <exception cref="InvalidOperationException">The router's generator is on another device.</exception>
    public Tensor Normal(Tensor like)
    {
        var generator = For(like);
        return Recorded?.Invoke("normal", like) ?? randn(like.shape, dtype: like.dtype, device: like.device, generator: generator);
    }

    /// <summary>Uniform in [0, 1).</summary>
    /// <inheritdoc cref="Normal"/>
    public Tensor Uniform(Tensor like)
    {
        var generator = For(like);
        return Recorded?.Invoke("uniform", like) ?? rand(like.shape, dtype: like.dtype, device: like.device, generator: generator);
    }

    /// <summary>Standard Gumbel, -log(-log U): adding it to logits and taking the largest draws from their softmax (Gumbel 1954).</summary>
    /// <inheritdoc cref="Normal"/>
    public Tensor Gumbel(Tensor like)
    {
        if (Recorded?.Invoke("gumbel", like) is { } recorded)
            return recorded;

        // U = 0 would give -∞, and so would a U that is rounded to 1.
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Uniform(like).clamp_min(1e-30).log().neg().clamp_min(1e-30).log().neg());
    }

    private Generator? For(Tensor like)
    {
        ArgumentNullException.ThrowIfNull(like);
        if (_router.Generator is { } generator && generator.device.type != like.device_type)
            throw new InvalidOperationException($"The gate's generator must be on the tokens' device ({like.device}), but is on {generator.device}.");
        return _router.Generator;
    }
}
