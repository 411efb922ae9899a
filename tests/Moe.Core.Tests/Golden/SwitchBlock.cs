using System.Text.RegularExpressions;

namespace Moe.Core.Tests;

/// <summary>Switch Transformers: top-1, places counted in each sequence, feed-forward experts without biases.</summary>
internal static partial class SwitchBlock
{
    public const string Kind = "switch_transformers";

    public static GoldenBlock Build(GoldenCase golden, Func<GatingOptions, GatingOptions>? gate = null)
    {
        var config = golden.Config;
        var (width, experts) = (config.Number("d_model"), config.Number("num_experts"));
        var gating = PublishedGates.Switch(width, experts) with
        {
            Bias = config.Flag("router_bias"),
            InputJitter = config.Real("router_jitter_noise", 0),
            Capacity = new() { Fixed = config.Number("expert_capacity"), Scope = TokenScope.Sequence },
        };
        var expert = new FeedForwardOptions
        {
            InputWidth = width,
            HiddenWidth = config.Number("d_ff"),
            Activation = config.Activation("dense_act_fn"),
            Bias = false,
        };
        var layer = new MixtureOfExperts(new GatingNetwork(gate is null ? gating : gate(gating)), StackedExperts.FeedForward(experts, expert));
        layer.eval();

        var block = golden.Weights.Keys.Select(key => RouterName().Match(key)).Single(match => match.Success).Groups["block"].Value;
        return new GoldenBlock(golden, layer,
        [
            new($"{block}.router.classifier.weight", "gate.weight"),
            .. gating.Bias ? [new WeightPart($"{block}.router.classifier.bias", "gate.bias")] : Array.Empty<WeightPart>(),
            .. Enumerable.Range(0, experts).SelectMany(index => new[]
            {
                WeightPart.Slice($"{block}.experts.expert_{index}.wi.weight", "experts.0.up_weight", index),
                WeightPart.Slice($"{block}.experts.expert_{index}.wo.weight", "experts.0.down_weight", index),
            }),
        ]);
    }

    [GeneratedRegex(@"^(?<block>.+)\.router\.classifier\.weight$")]
    private static partial Regex RouterName();
}
