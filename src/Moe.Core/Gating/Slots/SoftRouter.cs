using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Soft MoE (Puigcerver et al. 2023): tokens are not sent, but mixed. Every expert answers p slots a sequence, each a weighted mean of all its tokens
/// (softmax over tokens), and every token gets a weighted mean of all slots' answers (softmax over slots). Differentiable throughout, nothing is dropped.
/// </summary>
/// <remarks>
/// <para>Not causal: a slot holds a bit of every token. Logits are z = ⟨token, slot⟩; the decision's <see cref="RoutingDecision.Scores"/> are a token's weights summed over the slots of
/// each expert, its <see cref="RoutingDecision.Logits"/> log Σ exp z over them. Every expert counts as assigned to every token.</para>
/// <para>Parameters: <c>slots</c> [E · p, D], drawn from U(-1/√D, 1/√D); <c>scale</c> [1] or <c>slot_gain</c> [D], one at first, by <see cref="SlotNormalization"/>.</para>
/// </remarks>
public sealed class SoftRouter : Router
{
    /// <summary>Builds a router with fresh slots.</summary>
    /// <param name="options">Widths, experts, slots.</param>
    /// <param name="generator">Draws the slots; torch's global one when null. Not owned.</param>
    /// <param name="device">Where the parameters live; torch's default when null.</param>
    /// <param name="dtype">Float32 (the default) or Float64; the narrower floating types are kept as Float32.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public SoftRouter(SoftRouterOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(SoftRouter), Checked(options).InputWidth, options.ExpertCount)
    {
        TensorGuard.Floating(dtype, nameof(dtype));
        Options = options;
        Generator = generator;
        var type = RoutingType(dtype ?? ScalarType.Float32);
        Slots = NewParameter.Uniform([options.ExpertCount * options.SlotsPerExpert, options.InputWidth], options.InputWidth, generator, device, type);
        if (options.Normalization == SlotNormalization.UnitLength)
            Scale = NewParameter.From(ones(1, dtype: type, device: device));
        if (options.Normalization is SlotNormalization.RootMeanSquareSlots or SlotNormalization.LayerNormSlots)
            SlotGain = NewParameter.From(ones(options.InputWidth, dtype: type, device: device));
        RegisterComponents();
    }

    /// <summary>What the router was built from.</summary>
    public SoftRouterOptions Options { get; }

    /// <summary>What tokens are compared with, [E · p, D], the slots of an expert side by side.</summary>
    [field: ComponentName(Name = "slots")]
    public Parameter Slots { get; }

    /// <summary>The factor on the logits, [1]; null unless lengths are 1.</summary>
    [field: ComponentName(Name = "scale")]
    public Parameter? Scale { get; }

    /// <summary>The gain of the slots, [D]; null unless they are normalised by it.</summary>
    [field: ComponentName(Name = "slot_gain")]
    public Parameter? SlotGain { get; }

    /// <inheritdoc/>
    public override bool IsCausal => false;

    internal override bool IsTrusted => true;

    internal override Device? TokenDevice => Slots.device;

    /// <inheritdoc/>
    protected internal override RoutingProposal Propose(RouterInput input)
    {
        if (input.Forced is not null)
            throw new ArgumentException($"Expected no {nameof(RoutingContext.ForcedIndices)}: a router that mixes all tokens into all slots has nothing to force.");
        var (tokens, experts) = (input.Tokens.size(0), ExpertCount);
        var logits = Logits(input.Tokens);
        var bySequence = logits.reshape(-1, input.SequenceLength, logits.size(1));
        var mask = input.Mask?.reshape(-1, input.SequenceLength, 1);

        // A finite floor and a product: a sequence of nothing but padding has no softmax.
        var dispatch = mask is null ? bySequence.softmax(1) : bySequence.masked_fill(mask.bitwise_not(), -1e30).softmax(1) * mask;
        var combine = mask is null ? bySequence.softmax(2) : bySequence.softmax(2) * mask;
        var byExpert = logits.reshape(tokens, experts, Options.SlotsPerExpert);
        var scores = logits.softmax(-1).reshape(tokens, experts, Options.SlotsPerExpert).sum(dim: -1);
        return new RoutingProposal
        {
            Logits = byExpert.logsumexp(-1),
            Scores = scores,
            Indices = SelectionRule.Best(scores.detach(), experts),
            Weights = scores.alias(),
            Slots = new SlotMix(dispatch, combine, Options.SlotsPerExpert),
        };
    }

    private static SoftRouterOptions Checked(SoftRouterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return options;
    }

    private Tensor Logits(Tensor tokens)
    {
        var slots = GatingNetwork.In(Slots, tokens.dtype);
        return Options.Normalization switch
        {
            SlotNormalization.UnitLength => nn.functional.linear(Unit(tokens), Unit(slots)) * GatingNetwork.In(Scale!, tokens.dtype),
            SlotNormalization.RootMeanSquareSlots => nn.functional.linear(
                tokens, nn.functional.normalize(slots, p: 2, dim: 1, eps: 1e-12) * Math.Sqrt(InputWidth) * GatingNetwork.In(SlotGain!, tokens.dtype)),
            SlotNormalization.LayerNormSlots => nn.functional.linear(
                tokens, nn.functional.layer_norm(slots, [InputWidth], weight: GatingNetwork.In(SlotGain!, tokens.dtype), eps: 1e-5)),
            _ => nn.functional.linear(tokens, slots),
        };
    }

    /// <summary>x / √(Σx² + 1e-6), as published.</summary>
    private static Tensor Unit(Tensor rows) => rows / (rows.square().sum(dim: 1, keepdim: true) + 1e-6).sqrt();
}
