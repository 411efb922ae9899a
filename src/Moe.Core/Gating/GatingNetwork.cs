using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A linear router: sends each token to the experts with the highest scores, g(x) = softmax(top-k(x · Wᵀ)).
/// </summary>
/// <remarks>
/// <para>Five steps, in this order: score (logits = x · Wᵀ + b), perturb (noise, training only), select (top-k), weight (softmax,
/// straight-through), enforce capacity. Shapes: T tokens, D input width, E experts, K choices.</para>
/// <para>It computes in Float32 for narrower tokens and keeps its own weights in Float32 when a model is moved to BFloat16 or
/// Float16: rounding logits changes who is chosen. Float64 tokens are routed in Float64.</para>
/// <para>Parameters: <c>weight</c> [E, D], drawn from U(-1/√D, 1/√D); <c>bias</c> [E] and <c>noise_weight</c> [E, D], zero at first, if
/// the options ask for them. Forward passes may run on several threads at once, unless they share a generator for noise.</para>
/// </remarks>
public sealed class GatingNetwork : nn.Module<Tensor, RoutingDecision>
{
    private double _temperature;
    private double _noiseScale = 1;

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
        : base(nameof(GatingNetwork))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        TensorGuard.Floating(dtype, nameof(dtype));
        Options = options;
        Generator = generator;
        _temperature = options.Temperature;

        var type = RoutingType(dtype ?? ScalarType.Float32);
        var (experts, width) = (options.ExpertCount, options.InputWidth);
        Weight = NewParameter.Uniform([experts, width], width, generator, device, type);
        Bias = options.Bias ? NewParameter.Zeros([experts], device, type) : null;
        NoiseWeight = options.NoisyGating ? NewParameter.Zeros([experts, width], device, type) : null;
        RegisterComponents();
    }

    /// <summary>What the gate was built from.</summary>
    public GatingOptions Options { get; }

    /// <summary>The router's matrix, [E, D].</summary>
    [field: ComponentName(Name = "weight")]
    public Parameter Weight { get; }

    /// <summary>The router's bias, [E]; null without <see cref="GatingOptions.Bias"/>.</summary>
    [field: ComponentName(Name = "bias")]
    public Parameter? Bias { get; }

    /// <summary>The matrix of the noise's scale, [E, D]; null without <see cref="GatingOptions.NoisyGating"/>.</summary>
    [field: ComponentName(Name = "noise_weight")]
    public Parameter? NoiseWeight { get; }

    /// <summary>The source of noise; null for torch's global one. Not owned.</summary>
    public Generator? Generator { get; set; }

    internal bool IsDisposed { get; private set; }

    /// <summary>The divisor of the logits before every softmax; schedules set it to harden soft routing step by step.</summary>
    /// <value>Starts at <see cref="GatingOptions.Temperature"/>. Range: above 0, finite. Not part of the saved state.</value>
    public double Temperature
    {
        get => _temperature;
        set => _temperature = value > 0 && double.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"Temperature ({value}) must be positive and finite.");
    }

    /// <summary>A factor on the noise of noisy gating; schedules set it so that noise fades.</summary>
    /// <value>Starts at 1. Range: 0 (no noise) or more, finite. Not part of the saved state.</value>
    public double NoiseScale
    {
        get => _noiseScale;
        set => _noiseScale = value >= 0 && double.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"NoiseScale ({value}) must be 0 or more, and finite.");
    }

    /// <summary>Routes tokens that are all real. See <see cref="Route"/>.</summary>
    /// <param name="input">Tokens, [*, D], any floating type.</param>
    /// <returns>The decision for the T tokens, in order; the caller owns it.</returns>
    public override RoutingDecision forward(Tensor input) => Route(input);

    /// <summary>Decides which experts each token is sent to.</summary>
    /// <param name="input">Tokens, [*, D], any floating type, on the gate's device; leading dimensions are flattened to T. Not kept.</param>
    /// <param name="mask">True for real tokens, [*], Bool; null when all are. Padding is not routed and counts nowhere.</param>
    /// <returns>The decision; the caller owns it.</returns>
    /// <exception cref="ArgumentException">Shape, type or device of an argument is not as stated, or there is no token.</exception>
    /// <exception cref="NonFiniteRoutingException">A real token's logits are NaN or infinite, before or after noise and temperature.</exception>
    /// <exception cref="InvalidOperationException">Noise is to be drawn from a generator on another device.</exception>
    /// <exception cref="ObjectDisposedException">The gate or an argument has been disposed.</exception>
    public RoutingDecision Route(Tensor input, Tensor? mask = null)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Rows(input, Options.InputWidth, nameof(input));
        TensorGuard.NotEmpty(input, nameof(input));
        TensorGuard.SameDevice(input, Weight.device, nameof(input), "the gate");
        if (mask is not null)
            TensorGuard.Mask(mask, input, nameof(mask));

        using var scope = NewDisposeScope();
        // Copied: the decision must not change when the caller uses the mask's memory again.
        var valid = mask?.reshape(-1).clone();
        var tokens = input.reshape(-1, Options.InputWidth);
        if (valid is not null)
        {
            // Padding may hold anything, NaN too; 0 · NaN in the backward pass would spoil the gate's gradient.
            tokens = tokens.masked_fill(valid.bitwise_not().unsqueeze(-1), 0);
        }
        tokens = tokens.to(RoutingType(tokens.dtype));

        var logits = nn.functional.linear(tokens, In(Weight, tokens.dtype), Bias is null ? null : In(Bias, tokens.dtype));
        var perturbed = training && NoiseWeight is not null && NoiseScale > 0
            ? Noise.Add(logits, tokens, In(NoiseWeight, tokens.dtype), NoiseScale, Generator)
            : logits;
        if (Temperature != 1)
            perturbed = perturbed / Temperature;
        var scores = perturbed.softmax(-1);
        var indices = Selection.TopK(perturbed, Options.TopK);
        var weights = Weighting.Weigh(perturbed, scores, indices, Options);
        var decision = Enforce(indices, weights, logits, perturbed, scores, valid);
        scope.MoveToOuter(decision.Tensors);
        return decision;
    }

    /// <summary>Keeps the router in Float32 when the model around it moves to a narrower type.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking) => base._to(RoutingType(dtype), non_blocking);

    /// <summary>Keeps the router in Float32 when the model around it moves to a narrower type.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking) =>
        base._to(device, RoutingType(dtype), non_blocking);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    /// <summary>Leaves out padding and what does not fit, counts, and reads the counts.</summary>
    private RoutingDecision Enforce(Tensor indices, Tensor weights, Tensor logits, Tensor perturbed, Tensor scores, Tensor? valid)
    {
        var experts = Options.ExpertCount;
        var factor = training ? Options.CapacityFactor : Options.EvaluationCapacityFactor;

        // E stands for "no expert": it sorts behind all others and is counted apart.
        var made = valid is null ? indices : indices.masked_fill(valid.bitwise_not().unsqueeze(-1), experts);
        var validTokens = valid is null
            ? torch.full([], indices.size(0), dtype: ScalarType.Int64, device: indices.device)
            : valid.sum();
        var kept = factor is { } f ? Capacity.Keep(made, validTokens, experts, f) : made.lt(experts);
        if (factor is not null || valid is not null)
            weights = weights * kept;

        var assigned = Capacity.Count(made, experts);
        var counts = factor is null ? assigned : Capacity.Count(made.masked_fill(kept.bitwise_not(), experts), experts);

        // What is not finite in the logits is not finite after noise and temperature either, which may spoil them on their own.
        // x - x is 0 unless x is NaN or infinite; isfinite says the same, but not on the meta device.
        var nonFinite = (perturbed - perturbed).ne(0).sum();
        var host = RoutingCounts.Read(counts, assigned, validTokens, nonFinite, indices.size(0), indices.size(1));
        if (host.NonFinite > 0)
            throw new NonFiniteRoutingException(host.NonFinite, logits.size(0), experts, this);
        return new RoutingDecision(
            indices, weights, logits, scores, valid, kept, counts.narrow(0, 0, experts), host);
    }

    /// <summary>A parameter in the type that is routed in.</summary>
    private static Tensor In(Parameter parameter, ScalarType type) => parameter.dtype == type ? parameter : parameter.to(type);

    private static ScalarType RoutingType(ScalarType type) => type == ScalarType.Float64 ? type : ScalarType.Float32;
}
