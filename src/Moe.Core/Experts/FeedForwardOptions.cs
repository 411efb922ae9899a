namespace Moe.Core;

/// <summary>What a feed-forward expert is built from: act(x · W_upᵀ + b_up) · W_downᵀ + b_down.</summary>
/// <remarks>Immutable data with value equality; experts with equal options are stored stacked. Validated as a whole when used.</remarks>
public sealed record FeedForwardOptions
{
    /// <summary>D.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long InputWidth { get; init; }

    /// <summary>F, the width between the two products.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long HiddenWidth { get; init; }

    /// <summary>Dout.</summary>
    /// <value>The default is null: as wide as the input. Range: at least 1.</value>
    public long? OutputWidth { get; init; }

    /// <summary>The function between the two products.</summary>
    /// <value>The default is <see cref="Activation.Gelu"/>.</value>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Whether both products have a bias.</summary>
    /// <value>The default is true.</value>
    public bool Bias { get; init; } = true;

    /// <summary>What a feed-forward expert was built from.</summary>
    /// <param name="expert">An expert, alone or as <see cref="StackedExperts"/> show it.</param>
    /// <returns>Its options; null for an expert of another kind.</returns>
    public static FeedForwardOptions? Of(IExpert expert) => (ExpertRecipe.Of(expert) as FeedForwardRecipe)?.Options;

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(FeedForwardOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(HiddenWidth >= 1, $"HiddenWidth ({HiddenWidth}) must be at least 1.")
            .Require(OutputWidth is null or >= 1, $"OutputWidth ({OutputWidth}) must be at least 1, or null for InputWidth.")
            .Require(Activation is { Apply: not null }, "Activation (null) must be a function.")
            .ThrowIfAny(parameterName);
}
