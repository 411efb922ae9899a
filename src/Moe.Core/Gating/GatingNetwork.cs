using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A router that scores every expert for every token and sends the token to the best: g(x) = softmax(top-k(x · Wᵀ)), and whatever else its options
/// make of the five steps.
/// </summary>
/// <remarks>
/// <para>Score (logits z from a projection, scores from z / temperature), perturb (noise, while training), select (top-k or another rule), weigh
/// (softmax, normalisation, straight-through), enforce capacity. Shapes: T tokens, D input width, E experts, K choices.</para>
/// <para>Parameters: <c>weight</c> [E, D], drawn from U(-1/√D, 1/√D); <c>bias</c> [E] and <c>noise_weight</c> [E, D], zero at first, and those of
/// the projection, if the options ask for them. Buffers: <c>selection_bias</c> [E], zero at first, Float32 at least; the <c>table</c> of a fixed one.</para>
/// </remarks>
public sealed class GatingNetwork : Router
{
    private double _temperature;
    private double _noiseScale = 1;
    private int _topK;

    /// <summary>Builds a gate with fresh weights.</summary>
    /// <param name="options">Widths, number of experts, and how to choose among them.</param>
    /// <param name="generator">
    /// Draws the first weights, and all noise later; the global generator of torch when null. It must live on the device of the tokens
    /// when noise is drawn. The caller owns it.
    /// </param>
    /// <param name="device">Where the weights live; the default device of torch when null.</param>
    /// <param name="dtype">Float32 (the default) or Float64; the narrower floating types are kept as Float32.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are. Or the type is not a floating one.</exception>
    public GatingNetwork(GatingOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(GatingNetwork), Checked(options).InputWidth, options.ExpertCount)
    {
        TensorGuard.Floating(dtype, nameof(dtype));
        Options = options;
        Generator = generator;
        _temperature = options.Temperature;
        _topK = options.TopK;

        var type = RoutingType(dtype ?? ScalarType.Float32);
        var (experts, width) = (options.ExpertCount, options.InputWidth);
        var compared = (options.Projection as CosineProjection)?.Width ?? width;
        Weight = NewParameter.Uniform([experts, compared], compared, generator, device, type);
        Bias = options.Bias ? NewParameter.Zeros([experts], device, type) : null;
        NoiseWeight = options.Noise is { IsLearned: true } ? NewParameter.Zeros([experts, width], device, type) : null;
        if (options.Projection is CosineProjection cosine)
        {
            ProjectionWeight = NewParameter.Uniform([compared, width], width, generator, device, type);
            LogScale = NewParameter.From(full([1], -Math.Log(cosine.InitialTemperature), dtype: type, device: device));
        }
        if (options.Projection is TwoLevelProjection { Groups: var groups })
            GroupWeight = NewParameter.Uniform([groups, width], width, generator, device, type);
        if (options.SelectionBias)
            SelectionBias = zeros(experts, dtype: type, device: device).DetachFromDisposeScope();
        if (options.Selection is TableSelection table)
        {
            using var scope = NewDisposeScope();
            Table = table.NewTable(experts, options.TopK, generator).to(device ?? get_default_device()).DetachFromDisposeScope();
        }
        RegisterComponents();
    }

    /// <summary>What the gate was built from.</summary>
    public GatingOptions Options { get; }

    /// <summary>The router's matrix, [E, D]; [E, W] for a <see cref="CosineProjection"/>.</summary>
    [field: ComponentName(Name = "weight")]
    public Parameter Weight { get; }

    /// <summary>The router's bias, [E]; null without <see cref="GatingOptions.Bias"/>.</summary>
    [field: ComponentName(Name = "bias")]
    public Parameter? Bias { get; }

    /// <summary>The matrix of the noise's scale, [E, D]; null without <see cref="LearnedNoise"/>.</summary>
    [field: ComponentName(Name = "noise_weight")]
    public Parameter? NoiseWeight { get; }

    /// <summary>P, [W, D]; null without <see cref="CosineProjection"/>.</summary>
    [field: ComponentName(Name = "projection")]
    public Parameter? ProjectionWeight { get; }

    /// <summary>The logarithm of 1/τ, [1]; null without <see cref="CosineProjection"/>.</summary>
    [field: ComponentName(Name = "log_scale")]
    public Parameter? LogScale { get; }

    /// <summary>The matrix that chooses among groups, [G, D]; null without <see cref="TwoLevelProjection"/>.</summary>
    [field: ComponentName(Name = "group_weight")]
    public Parameter? GroupWeight { get; }

    /// <summary>What is added to the scores for choosing only, [E], Float32 or Float64; a buffer. Null without <see cref="GatingOptions.SelectionBias"/>.</summary>
    [field: ComponentName(Name = "selection_bias")]
    public Tensor? SelectionBias { get; }

    /// <summary>The experts of each token id, [V, K], Int64; a buffer. Null without <see cref="TableSelection"/>.</summary>
    [field: ComponentName(Name = "table")]
    public Tensor? Table { get; }

    /// <inheritdoc/>
    public override bool IsCausal => Options.Selection.IsCausal && (Capacity?.IsCausal(TopK) ?? true);

    /// <inheritdoc/>
    public override int NullExpertCount => Options.NullExperts;

    /// <inheritdoc/>
    public override CapacityOptions? Capacity => Options.Capacity;

    /// <inheritdoc/>
    public override WeightTarget WeightTarget => Options.WeightTarget;

    /// <summary>K; schedules lower it so that dense routing becomes sparse (dense-to-sparse, Nie et al. 2021, section 3.2).</summary>
    /// <value>Starts at <see cref="GatingOptions.TopK"/>. Range: 1 to E; to the columns of a table. Not part of the saved state.</value>
    public int TopK
    {
        get => _topK;
        set
        {
            var failures = new OptionFailures(nameof(GatingOptions))
                .Require(value >= 1 && value <= ExpertCount, $"TopK ({value}) must lie between 1 and ExpertCount ({ExpertCount}).")
                .Require(Table is null || value <= Options.TopK, $"TopK ({value}) must be at most that of the table ({Options.TopK}).");
            Options.Selection.Check(failures, Options with { TopK = value });
            failures.ThrowIfAny(nameof(value));
            _topK = value;
        }
    }

    /// <summary>The divisor of the logits before every score; schedules set it to harden soft routing step by step.</summary>
    /// <value>Starts at <see cref="GatingOptions.Temperature"/>. Range: above 0, finite. Not part of the saved state.</value>
    public double Temperature
    {
        get => _temperature;
        set => _temperature = value > 0 && double.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"Temperature ({value}) must be positive and finite.");
    }

    /// <summary>A factor on noise and jitter; schedules set it so that they fade.</summary>
    /// <value>Starts at 1. Range: 0 (none) or more, finite. Not part of the saved state.</value>
    public double NoiseScale
    {
        get => _noiseScale;
        set => _noiseScale = value >= 0 && double.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"NoiseScale ({value}) must be 0 or more, and finite.");
    }

    /// <summary>A score function or a rule of a user's own is checked before what it gives is used here.</summary>
    internal override bool IsTrusted => true;

    internal override Device? TokenDevice => Weight.device;

    /// <inheritdoc/>
    protected internal override RoutingProposal Propose(RouterInput input)
    {
        var perturb = training && NoiseScale > 0;
        var tokens = perturb && Options.InputJitter > 0 ? Jittered(input.Tokens) : input.Tokens;
        var logits = Options.Projection.Logits(this, tokens);
        var perturbed = logits;
        Tensor? deviation = null;
        if (perturb && Options.Noise is not null)
        {
            (var noise, deviation) = Options.Noise.Draw(this, logits, tokens);
            perturbed = logits + noise;
        }
        if (Temperature != 1)
        {
            perturbed /= Temperature;
            deviation = deviation is null ? null : deviation / Temperature;
        }

        var scores = Options.Score.Checked(perturbed);
        var selection = new SelectionInput(this, input, perturbed, scores, Keys(perturbed, scores));
        var choice = Choice.Of(selection, Options.Selection);
        var weights = Options.Selection.Weigh(selection, choice.Indices) is { } own
            ? own * Options.ScalingFactor
            : Weighting.Weigh(selection, choice, Options);
        return new RoutingProposal
        {
            Logits = logits,
            Perturbed = ReferenceEquals(perturbed, logits) ? null : perturbed,
            NoiseDeviation = deviation,
            Temperature = Temperature,
            Scores = scores,
            ScoresSumToOne = Options.Score.SumsToOne,
            Indices = choice.Indices,
            Chosen = choice.Chosen,
            Weights = weights,
            Invalid = choice.Invalid,
            Misplaced = choice.Misplaced,
        };
    }

    /// <summary>A parameter or buffer in the type that is routed in.</summary>
    internal static Tensor In(Tensor parameter, ScalarType type) => parameter.dtype == type ? parameter : parameter.to(type);

    private static GatingOptions Checked(GatingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return options;
    }

    /// <summary>x · U(1 - ε, 1 + ε), in a copy: the experts must not see it.</summary>
    private Tensor Jittered(Tensor tokens) =>
        tokens * (Draws.Uniform(tokens.detach()) * (2 * Options.InputJitter * NoiseScale) + (1 - Options.InputJitter * NoiseScale));

    /// <summary>What is chosen by. The bias goes in here and nowhere else.</summary>
    private Tensor Keys(Tensor perturbed, Tensor scores) =>
        SelectionBias is { } bias ? Constant(scores) + In(bias, scores.dtype)
        : Constant(Options.Selection.NeedsOrderOnly && Options.Score.KeepsOrder ? perturbed : scores);

    private static Tensor Constant(Tensor tensor) => tensor.requires_grad ? tensor.detach() : tensor;
}
