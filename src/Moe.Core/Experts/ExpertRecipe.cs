using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The mathematics of a stackable expert, apart from where its weights lie: a single expert holds them as they are, a stack holds
/// those of E experts with equal recipes in one tensor each. Equality says "same shape, same function".
/// </summary>
internal abstract record ExpertRecipe(long InputWidth, long OutputWidth)
{
    /// <summary>The weights of one expert, by the numbers that <see cref="Product"/> calls them by.</summary>
    public abstract IReadOnlyList<WeightShape> Weights { get; }

    /// <summary>That of a stackable expert, alone or in a stack; null for an expert of another kind.</summary>
    public static ExpertRecipe? Of(IExpert expert)
    {
        ArgumentNullException.ThrowIfNull(expert);
        return expert switch
        {
            StackableExpert single => single.Recipe,
            StackedExperts.Slice slice => slice.Stack.Recipe,
            _ => null,
        };
    }

    /// <summary>Maps rows [*, D] to [*, Dout]; what it does besides the products is elementwise, so that the rows of several experts may go together.</summary>
    public abstract Tensor Compute(Tensor rows, Product product);

    /// <summary>The same with the weights of one expert, for rows [n, D].</summary>
    public Tensor Compute(Tensor rows, IReadOnlyList<Tensor> weights) =>
        Compute(rows, (input, weight, bias) => nn.functional.linear(input, weights[weight], bias is { } number ? weights[number] : null));
}

/// <summary>x · Wᵀ + b, with weight and bias given by their places in <see cref="ExpertRecipe.Weights"/>; null for no bias.</summary>
internal delegate Tensor Product(Tensor rows, int weight, int? bias);

/// <summary>
/// Name, shape and number of inputs per output of one weight. FanIn 0 marks a bias that begins at zero; several parts are drawn one after the other. What belongs to the last product is marked: an expert in
/// which it is zero answers zero.
/// </summary>
internal sealed record WeightShape(string Name, long[] Shape, long FanIn, int Parts = 1, bool IsLast = false);

/// <summary>x · Wᵀ + b.</summary>
internal sealed record LinearRecipe(long InputWidth, long OutputWidth, bool Bias) : ExpertRecipe(InputWidth, OutputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("weight", [OutputWidth, InputWidth], InputWidth, IsLast: true),
        .. Bias ? [new WeightShape("bias", [OutputWidth], 0, IsLast: true)] : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, Product product) => product(rows, 0, Bias ? 1 : null);
}

/// <summary>act(x · W_upᵀ + b_up) · W_downᵀ + b_down.</summary>
internal sealed record FeedForwardRecipe(FeedForwardOptions Options)
    : ExpertRecipe(Options.InputWidth, Options.OutputWidth ?? Options.InputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("up_weight", [Options.HiddenWidth, InputWidth], InputWidth),
        new("down_weight", [OutputWidth, Options.HiddenWidth], Options.HiddenWidth, IsLast: true),
        .. Options.Bias
            ? [new WeightShape("up_bias", [Options.HiddenWidth], 0), new WeightShape("down_bias", [OutputWidth], 0, IsLast: true)]
            : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, Product product) =>
        product(Options.Activation.Apply(product(rows, 0, Options.Bias ? 2 : null)), 1, Options.Bias ? 3 : null);
}

/// <summary>(act(x · W_gateᵀ) ⊙ (x · W_upᵀ)) · W_downᵀ, or with another unit in the place of act(gate) ⊙ up.</summary>
/// <remarks>Gate and up lie in one matrix, gate above up: one product reads the rows once.</remarks>
internal sealed record GatedFeedForwardRecipe(GatedFeedForwardOptions Options)
    : ExpertRecipe(Options.InputWidth, Options.OutputWidth ?? Options.InputWidth)
{
    public override IReadOnlyList<WeightShape> Weights =>
    [
        new("gate_up_weight", [2 * Options.HiddenWidth, InputWidth], InputWidth, Parts: 2),
        new("down_weight", [OutputWidth, Options.HiddenWidth], Options.HiddenWidth, IsLast: true),
        .. Options.Bias
            ? [new WeightShape("gate_up_bias", [2 * Options.HiddenWidth], 0), new WeightShape("down_bias", [OutputWidth], 0, IsLast: true)]
            : Array.Empty<WeightShape>(),
    ];

    public override Tensor Compute(Tensor rows, Product product)
    {
        var both = product(rows, 0, Options.Bias ? 2 : null);
        var (gate, up) = (both.narrow(-1, 0, Options.HiddenWidth), both.narrow(-1, Options.HiddenWidth, Options.HiddenWidth));
        var hidden = Options.Unit is { } unit ? unit.Combine(gate, up) : Options.Activation.Apply(gate) * up;
        return product(hidden, 1, Options.Bias ? 3 : null);
    }
}
