using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Soft MoE as soft-moe-pytorch has it, written out in published names and apart from the library, for settings that no case has.</summary>
internal static class SoftMoeFormula
{
    /// <summary>A case of random weights with the numbers of the formula: 2 sequences of 6 tokens of width 9, 3 experts of 2 slots.</summary>
    public static GoldenCase Case(bool geglu, bool layerNorm, Tensor? mask)
    {
        var config = $$"""{"model_type": "soft_moe", "dim": 9, "num_experts": 3, "num_slots": 2, "expert_mult": 2, "geglu": {{(geglu ? "true" : "false")}}, "use_layernorm": {{(layerNorm ? "true" : "false")}}}""";
        var weights = new Dictionary<string, Tensor> { ["norm.gamma"] = Draw(1, 9), ["slot_norm.gamma"] = Draw(2, 9), ["slot_embeds"] = Draw(3, 3, 2, 9) };
        var (hidden, first) = geglu ? (12, 24) : (18, 18);
        for (var e = 0; e < 3; e++)
        {
            weights[$"experts.experts.{e}.0.weight"] = Draw(10 + e, first, 9);
            weights[$"experts.experts.{e}.0.bias"] = Draw(20 + e, first);
            weights[$"experts.experts.{e}.3.weight"] = Draw(30 + e, 9, hidden);
            weights[$"experts.experts.{e}.3.bias"] = Draw(40 + e, 9);
        }
        var golden = new GoldenCase(GoldenConfig.Parse(config), weights, new() { ["input"] = Draw(4, 2, 6, 9), ["grad_output"] = Draw(5, 2, 6, 9) });
        if (mask is not null)
            golden.Numbers["mask"] = mask.to(ScalarType.Int64);
        Compute(golden, mask);
        return golden;
    }

    /// <summary>The answer of the formula to a case.</summary>
    public static Tensor Output(GoldenCase golden, Tensor input, Dictionary<string, Tensor> weights, Tensor? mask, out Tensor logits)
    {
        var (config, width) = (golden.Config, input.size(-1));
        Tensor Norm(Tensor x, string gain) => config.Flag("use_layernorm")
            ? (x - x.mean([-1], keepdim: true)) / (x.var(-1, unbiased: false, keepdim: true) + 1e-5).sqrt() * weights[gain]
            : x / x.square().sum(dim: -1, keepdim: true).sqrt() * Math.Sqrt(width) * weights[gain];
        Tensor Gelu(Tensor x) => x * 0.5 * (1 + (x / Math.Sqrt(2)).erf());
        Tensor Expert(Tensor x, int e)
        {
            var hidden = x.matmul(weights[$"experts.experts.{e}.0.weight"].t()) + weights[$"experts.experts.{e}.0.bias"];
            var halves = hidden.chunk(2, -1);
            hidden = config.Flag("geglu") ? halves[0] * Gelu(halves[1]) : Gelu(hidden);
            return hidden.matmul(weights[$"experts.experts.{e}.3.weight"].t()) + weights[$"experts.experts.{e}.3.bias"];
        }

        var tokens = Norm(input, "norm.gamma");
        logits = einsum("bnd,esd->bnes", tokens, Norm(weights["slot_embeds"], "slot_norm.gamma"));
        var masked = mask is null ? logits : logits.masked_fill(mask.bitwise_not().unsqueeze(-1).unsqueeze(-1), -float.MaxValue);
        var slots = einsum("bnd,bnes->besd", tokens, masked.softmax(1));
        var answers = stack(Enumerable.Range(0, config.Number("num_experts")).Select(e => Expert(slots.select(1, e), e)), 1);
        return einsum("bpd,bnp->bnd", answers.flatten(1, 2), masked.flatten(2, 3).softmax(-1));
    }

    private static void Compute(GoldenCase golden, Tensor? mask)
    {
        var input = golden.Numbers["input"].clone().requires_grad_();
        var weights = golden.Weights.ToDictionary(pair => pair.Key, pair => pair.Value.clone().requires_grad_());
        var output = Output(golden, input, weights, mask, out var logits);
        (output * golden.Numbers["grad_output"]).sum().backward();
        golden.Numbers["output"] = output.detach();
        golden.Numbers["router_logits"] = logits.detach();
        golden.Numbers["grad_input"] = input.grad!;
        foreach (var (name, weight) in weights)
            golden.Numbers[$"grad.{name}"] = weight.grad!;
    }

    private static Tensor Draw(int seed, params long[] shape) => Make.Normal(seed, ScalarType.Float32, shape) * 0.5;
}
