using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The mathematics of a stackable expert, apart from where its weights lie: a single expert holds them as they are, a stack holds
/// those of E experts with equal recipes in one tensor each. Equality says "same shape, same function".
/// </summary>
internal abstract record ExpertRecipe(long InputWidth, long OutputWidth)
{
    /// <summary>The weights of one expert, in the order in which <see cref="Compute"/> takes them.</summary>
    public abstract IReadOnlyList<WeightShape> Weights { get; }

    /// <summary>Maps rows [n, D] to [n, Dout] with the weights of one expert.</summary>
    public abstract Tensor Compute(Tensor rows, IReadOnlyList<Tensor> weights);
}

/// <summary>Name, shape and number of inputs per output of one weight. FanIn 0 marks a bias that begins at zero.</summary>
internal sealed record WeightShape(string Name, long[] Shape, long FanIn);

/// <summary>x · Wᵀ + b.</summary>
internal sealed record LinearRecipe(long InputWidth, long OutputWidth, bool Bias) : ExpertRecipe(InputWidth, OutputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("weight", [OutputWidth, InputWidth], InputWidth),
        .. Bias ? [new WeightShape("bias", [OutputWidth], 0)] : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, IReadOnlyList<Tensor> weights) =>
        nn.functional.linear(rows, weights[0], Bias ? weights[1] : null);
}

/// <summary>act(x · W_upᵀ + b_up) · W_downᵀ + b_down.</summary>
internal sealed record FeedForwardRecipe(FeedForwardOptions Options)
    : ExpertRecipe(Options.InputWidth, Options.OutputWidth ?? Options.InputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("up_weight", [Options.HiddenWidth, InputWidth], InputWidth),
        new("down_weight", [OutputWidth, Options.HiddenWidth], Options.HiddenWidth),
        .. Options.Bias
            ? [new WeightShape("up_bias", [Options.HiddenWidth], 0), new WeightShape("down_bias", [OutputWidth], 0)]
            : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, IReadOnlyList<Tensor> weights)
    {
        var hidden = Options.Activation.Apply(nn.functional.linear(rows, weights[0], Options.Bias ? weights[2] : null));
        return nn.functional.linear(hidden, weights[1], Options.Bias ? weights[3] : null);
    }
}

/// <summary>(act(x · W_gateᵀ) ⊙ (x · W_upᵀ)) · W_downᵀ, or with another unit in the place of act(gate) ⊙ up.</summary>
internal sealed record GatedFeedForwardRecipe(GatedFeedForwardOptions Options)
    : ExpertRecipe(Options.InputWidth, Options.OutputWidth ?? Options.InputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("gate_weight", [Options.HiddenWidth, InputWidth], InputWidth),
        new("up_weight", [Options.HiddenWidth, InputWidth], InputWidth),
        new("down_weight", [OutputWidth, Options.HiddenWidth], Options.HiddenWidth),
        .. Options.Bias
            ? [
                new WeightShape("gate_bias", [Options.HiddenWidth], 0),
                new WeightShape("up_bias", [Options.HiddenWidth], 0),
                new WeightShape("down_bias", [OutputWidth], 0),
            ]
            : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, IReadOnlyList<Tensor> weights)
    {
        var gate = nn.functional.linear(rows, weights[0], Options.Bias ? weights[3] : null);
        var up = nn.functional.linear(rows, weights[1], Options.Bias ? weights[4] : null);
        var hidden = Options.Unit is { } unit ? unit.Combine(gate, up) : Options.Activation.Apply(gate) * up;
        return nn.functional.linear(hidden, weights[2], Options.Bias ? weights[5] : null);
    }
}
