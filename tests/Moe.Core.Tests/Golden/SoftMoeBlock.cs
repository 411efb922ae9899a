using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Soft MoE in soft-moe-pytorch: tokens are normalised before the layer, slots inside it.</summary>
internal static class SoftMoeBlock
{
    public const string Kind = "soft_moe";

    public static GoldenBlock Build(GoldenCase golden, Func<SoftRouterOptions, SoftRouterOptions>? router = null)
    {
        var config = golden.Config;
        var (width, experts, mult) = (config.Number("dim"), config.Number("num_experts"), config.Real("expert_mult"));
        var isLayerNorm = config.Flag("use_layernorm");
        var options = new SoftRouterOptions
        {
            InputWidth = width,
            ExpertCount = experts,
            SlotsPerExpert = config.Number("num_slots"),
            Normalization = isLayerNorm ? SlotNormalization.LayerNormSlots : SlotNormalization.RootMeanSquareSlots,
        };
        var isGated = config.Flag("geglu");
        var stack = isGated
            ? StackedExperts.GatedFeedForward(experts, new() { InputWidth = width, HiddenWidth = (long)(width * mult * 2 / 3), Activation = Activation.Gelu, Bias = true })
            : StackedExperts.FeedForward(experts, new() { InputWidth = width, HiddenWidth = (long)(width * mult), Activation = Activation.Gelu });
        var soft = new SoftRouter(router is null ? options : router(options));
        return new GoldenBlock(
            golden,
            new MixtureOfExperts(soft, stack),
            [
                new("norm.gamma", "norm.gain"),
                .. soft.SlotGain is null ? Array.Empty<WeightPart>() : [new("slot_norm.gamma", "gate.slot_gain")],
                new("slot_embeds", "gate.slots", slots => slots.flatten(0, 1)),
                .. Enumerable.Range(0, experts).SelectMany(index => isGated ? Gated(index) : Plain(index)),
            ],
            new GainNorm(width, isLayerNorm));
    }

    /// <summary>Padding gets 0 from us and the mean of all slots' answers from them.</summary>
    public static Tensor WithTheirPadding(MixtureOfExperts layer, Tensor tokens, MixtureOutput ours)
    {
        var (mix, mask) = (ours.Routing.Slots!, ours.Routing.Mask!);
        var slots = mix.Dispatch.transpose(1, 2).bmm(tokens);
        var answers = layer.Experts.Select((expert, index) => expert.forward(slots.narrow(1, index * mix.SlotsPerExpert, mix.SlotsPerExpert).reshape(-1, layer.InputWidth)));
        var mean = stack(answers.Select(answer => answer.reshape(slots.size(0), -1, layer.OutputWidth).mean([1], keepdim: true))).mean([0]);
        return ours.Output.where(mask.reshape(tokens.size(0), -1, 1), mean);
    }

    private static IEnumerable<WeightPart> Plain(int index) =>
        from name in new[] { ("0.weight", "up_weight"), ("0.bias", "up_bias"), ("3.weight", "down_weight"), ("3.bias", "down_bias") }
        select WeightPart.Slice($"experts.experts.{index}.{name.Item1}", $"experts.0.{name.Item2}", index);

    /// <summary>The second half is the gate.</summary>
    private static IEnumerable<WeightPart> Gated(int index) =>
    [
        .. from kind in new[] { "weight", "bias" }
           from half in new[] { 0, 1 }
           select WeightPart.Half($"experts.experts.{index}.0.{kind}", $"experts.0.gate_up_{kind}", 0, half, ours => ours[index].chunk(2, 0)[1 - half]),
        WeightPart.Slice($"experts.experts.{index}.3.weight", "experts.0.down_weight", index),
        WeightPart.Slice($"experts.experts.{index}.3.bias", "experts.0.down_bias", index),
    ];

    /// <summary>x / ‖x‖ · √D · gain, or a layer norm without bias.</summary>
    private sealed class GainNorm : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "gain")]
        private readonly Parameter _gain;

        private readonly bool _isLayerNorm;

        public GainNorm(long width, bool isLayerNorm)
            : base(nameof(GainNorm))
        {
            _isLayerNorm = isLayerNorm;
            _gain = new Parameter(ones(width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _isLayerNorm
            ? nn.functional.layer_norm(input, [input.size(-1)], weight: _gain)
            : nn.functional.normalize(input, p: 2, dim: -1, eps: 1e-12) * Math.Sqrt(input.size(-1)) * _gain;
    }
}
