namespace Moe.Core;

/// <summary>How many time series <see cref="RoutingMetrics"/> may make at most: backends keep, and bill, each one.</summary>
/// <remarks>Immutable; validated as a whole when the metrics are made from it.</remarks>
public sealed record RoutingMetricsOptions
{
    /// <summary>Layers with up to so many experts report the share of each; those with more report percentiles over their experts.</summary>
    /// <value>The default is 16. Range: 0 (always percentiles) or more.</value>
    public int MaxExperts { get; init; } = 16;

    /// <summary>The first so many layers are reported by name, all further ones together as <see cref="RoutingMetrics.OtherLayers"/>.</summary>
    /// <value>The default is 64. Range: 0 or more.</value>
    public int MaxLayers { get; init; } = 64;

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(RoutingMetricsOptions))
            .Require(MaxExperts >= 0, $"MaxExperts ({MaxExperts}) must be 0 or more.")
            .Require(MaxLayers >= 0, $"MaxLayers ({MaxLayers}) must be 0 or more.")
            .ThrowIfAny(parameterName);
}
