using Moe.Core;

namespace Moe.Classical;

/// <summary>What a fit may know besides its rows.</summary>
public sealed record FitContext
{
    /// <summary>No previous fit, seed 0, nothing to cancel.</summary>
    public static FitContext Default { get; } = new();

    /// <summary>The expert of the fit before, on the same rows with other weights: where to start from. Null for a fresh start. A learner may ignore it.</summary>
    public IExpert? Previous { get; init; }

    /// <summary>Seed of every random draw of the fit.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    /// <summary>Cancels a long fit with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; init; }
}
