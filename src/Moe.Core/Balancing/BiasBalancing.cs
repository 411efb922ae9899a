using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Auxiliary-loss-free load balancing: bᵢ ← bᵢ + u · sign(mean(n) - nᵢ), where nᵢ counts the assignments to expert i over the global batch (Wang et al. 2024, algorithm 1;
/// DeepSeek-V3, 2024, section 2.1.2).
/// </summary>
/// <remarks>Counts are taken before capacity drops any. At perfect balance nothing moves. The bias stays in the buffer's own type, Float32 or Float64.</remarks>
public sealed class BiasBalancing : SelectionBalancer
{
    /// <summary>Builds the balancer.</summary>
    /// <param name="options">Rate and centring; null for those published.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public BiasBalancing(BiasBalancingOptions? options = null)
    {
        Options = options ?? new BiasBalancingOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public BiasBalancingOptions Options { get; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gate has no selection bias.</exception>
    public override Tensor Observe(GatingNetwork gate, RoutingDecision decision)
    {
        var bias = BiasOf(gate);
        ArgumentNullException.ThrowIfNull(decision);
        return tensor(decision.Assigned.ToArray(), dtype: ScalarType.Float64, device: bias.device);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gate has no selection bias, or nothing was observed.</exception>
    public override void Update(GatingNetwork gate, IReadOnlyList<Tensor> observed, IProcessSum? processes = null)
    {
        var bias = BiasOf(gate);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var counts = ProcessSum.Of(Sum(observed, gate.ExpertCount), processes);
        var move = (counts.mean() - counts).sign() * Options.Rate;
        if (Options.Centred)
            move -= move.mean();
        bias.add_(move.to(bias.dtype));
    }
}
