using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Where the weights of a <see cref="TransformerBlock"/> lie: each expert's alone, or those of all in one tensor.</summary>
internal static class TransformerWeights
{
    private static readonly string[] Products = ["gate", "up", "down"];

    /// <summary>The parts of a block.</summary>
    /// <param name="golden">The case.</param>
    /// <param name="block">What the names of its tensors begin with.</param>
    /// <param name="router">The name of the router's matrix.</param>
    /// <param name="experts">E.</param>
    public static IEnumerable<WeightPart> Parts(GoldenCase golden, string block, string router, int experts)
    {
        bool Has(string name) => golden.Weights.ContainsKey($"{block}.{name}");
        return
        [
            new(router, "gate.weight"),
            .. Optional("router.bias", "gate.bias"),
            .. Optional("gate.e_score_correction_bias", "gate.selection_bias"),
            .. golden.Config.ModelType == "gpt_oss" ? Interleaved($"{block}.experts")
                : Has("experts.gate_up_proj") ? Fused($"{block}.experts.gate_up_proj", $"{block}.experts.down_proj")
                : Has("input_linear.weight") ? Fused($"{block}.input_linear.weight", $"{block}.output_linear.weight")
                : Has("experts.0.w1.weight") ? Apart($"{block}.experts", "w1", "w3", "w2", experts)
                : Apart($"{block}.experts", "gate_proj", "up_proj", "down_proj", experts),
            .. Products.SelectMany(product => OptionalPart($"shared_experts.{product}_proj.weight", "shared_experts.0.", product)),
            .. Products.SelectMany(product => OptionalPart($"shared_expert.{product}_proj.weight", "shared_experts.0.expert.", product)),
            .. Optional("shared_expert_gate.weight", "shared_experts.0.gate_weight"),
        ];

        IEnumerable<WeightPart> Optional(string published, string ours) => Has(published) ? [new($"{block}.{published}", ours)] : [];

        IEnumerable<WeightPart> OptionalPart(string published, string ours, string product) => Has(published) ? [Part($"{block}.{published}", ours, product)] : [];
    }

    /// <summary>Each expert's weights alone.</summary>
    private static IEnumerable<WeightPart> Apart(string experts, string gate, string up, string down, int count) =>
        from product in new[] { (gate, "gate"), (up, "up"), (down, "down") }
        from expert in Enumerable.Range(0, count)
        select Part($"{experts}.{expert}.{product.Item1}.weight", "experts.0.", product.Item2, expert);

    /// <summary>A published matrix of one product; ours has W_gate above W_up.</summary>
    private static WeightPart Part(string published, string ours, string product, int? expert = null)
    {
        Tensor Own(Tensor tensor) => expert is { } index ? tensor[index] : tensor;
        return product == "down"
            ? new(published, $"{ours}down_weight", null, Own)
            : new(published, $"{ours}gate_up_weight", null, tensor => Own(tensor).chunk(2, 0)[product == "gate" ? 0 : 1]);
    }

    /// <summary>All experts in one tensor: gate above up, [E, 2F, D]; down, [E, D, F].</summary>
    private static IEnumerable<WeightPart> Fused(string gateUp, string down) =>
    [
        new(gateUp, "experts.0.gate_up_weight"),
        new(down, "experts.0.down_weight"),
    ];

    /// <summary>gpt-oss: as [E, in, out], gate and up in turns, and biases.</summary>
    private static IEnumerable<WeightPart> Interleaved(string experts) =>
    [
        WeightPart.EveryOther($"{experts}.gate_up_proj", "experts.0.gate_up_weight", 0, weight => weight.transpose(1, 2), ours => ours.chunk(2, 1)[0]),
        WeightPart.EveryOther($"{experts}.gate_up_proj", "experts.0.gate_up_weight", 1, weight => weight.transpose(1, 2), ours => ours.chunk(2, 1)[1]),
        WeightPart.EveryOther($"{experts}.gate_up_proj_bias", "experts.0.gate_up_bias", 0, ofOurs: ours => ours.chunk(2, 1)[0]),
        WeightPart.EveryOther($"{experts}.gate_up_proj_bias", "experts.0.gate_up_bias", 1, ofOurs: ours => ours.chunk(2, 1)[1]),
        new($"{experts}.down_proj", "experts.0.down_weight", weight => weight.transpose(1, 2)),
        new($"{experts}.down_proj_bias", "experts.0.down_bias"),
    ];
}
