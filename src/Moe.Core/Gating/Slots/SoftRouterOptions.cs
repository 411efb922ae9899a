namespace Moe.Core;

/// <summary>What a <see cref="SoftRouter"/> is built from.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when a router is built from it.</remarks>
public sealed record SoftRouterOptions
{
    /// <summary>D, the width of a token.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long InputWidth { get; init; }

    /// <summary>E, the number of experts.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required int ExpertCount { get; init; }

    /// <summary>p, the slots that each expert answers in each sequence. The layer costs as much as E · p / S experts a token.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int SlotsPerExpert { get; init; } = 1;

    /// <summary>How tokens and slots are normalised before they are compared.</summary>
    /// <value>The default is <see cref="SlotNormalization.UnitLength"/>.</value>
    public SlotNormalization Normalization { get; init; } = SlotNormalization.UnitLength;

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(SoftRouterOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(ExpertCount >= 1, $"ExpertCount ({ExpertCount}) must be at least 1.")
            .Require(SlotsPerExpert >= 1, $"SlotsPerExpert ({SlotsPerExpert}) must be at least 1.")
            .Require(Enum.IsDefined(Normalization), $"Normalization ({Normalization}) must be UnitLength, RootMeanSquareSlots, LayerNormSlots or None.")
            .ThrowIfAny(parameterName);
}
