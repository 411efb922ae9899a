namespace Moe.Core;

/// <summary>
/// What a gated feed-forward expert is built from: (act(x · W_gateᵀ) ⊙ (x · W_upᵀ)) · W_downᵀ. Shazeer 2020, "GLU Variants Improve
/// Transformer", eq. 6: <see cref="Activation.Silu"/> makes it SwiGLU, <see cref="Activation.Gelu"/> GEGLU,
/// <see cref="Activation.Relu"/> ReGLU.
/// </summary>
/// <remarks>Immutable data with value equality; experts with equal options are stored stacked. Validated as a whole when used.</remarks>
public sealed record GatedFeedForwardOptions
{
    /// <summary>D.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long InputWidth { get; init; }

    /// <summary>F, the width of gate and up projection.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long HiddenWidth { get; init; }

    /// <summary>Dout.</summary>
    /// <value>The default is null: as wide as the input. Range: at least 1.</value>
    public long? OutputWidth { get; init; }

    /// <summary>The function on the gate projection. Has an effect without <see cref="Unit"/> only.</summary>
    /// <value>The default is <see cref="Activation.Silu"/>: SwiGLU.</value>
    public Activation Activation { get; init; } = Activation.Silu;

    /// <summary>What takes the place of act(gate) ⊙ up.</summary>
    /// <value>The default is null: nothing does. <see cref="GatedUnit.GptOss"/> is that of gpt-oss.</value>
    public GatedUnit? Unit { get; init; }

    /// <summary>Whether the three products have a bias.</summary>
    /// <value>The default is false, as published models have it.</value>
    public bool Bias { get; init; }

    /// <summary>What a gated feed-forward expert was built from.</summary>
    /// <param name="expert">An expert, alone or as <see cref="StackedExperts"/> show it.</param>
    /// <returns>Its options; null for an expert of another kind.</returns>
    public static GatedFeedForwardOptions? Of(IExpert expert) => (ExpertRecipe.Of(expert) as GatedFeedForwardRecipe)?.Options;

    internal void Validate(string parameterName)
    {
        var failures = new OptionFailures(nameof(GatedFeedForwardOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(HiddenWidth >= 1, $"HiddenWidth ({HiddenWidth}) must be at least 1.")
            .Require(OutputWidth is null or >= 1, $"OutputWidth ({OutputWidth}) must be at least 1, or null for InputWidth.")
            .Require(Activation is { Apply: not null }, "Activation (null) must be a function.");
        Unit?.Check(failures);
        failures.ThrowIfAny(parameterName);
    }
}
