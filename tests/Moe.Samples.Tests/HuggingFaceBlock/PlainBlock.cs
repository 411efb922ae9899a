using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>
/// What a block answers by its publishers' formulas, in Float64, one token and one expert after the other, from the published tensors themselves, with gradients by autograd.
/// </summary>
/// <param name="Router">The name of the router's weight.</param>
/// <param name="Route">Which experts and with what weights [T, K], by all weights and the logits [T, E].</param>
/// <param name="Expert">What an expert answers to rows, by all weights and its number.</param>
/// <param name="Shared">What is added for each token; null for nothing.</param>
internal sealed record PlainBlock(
    string Router,
    Func<Dictionary<string, Tensor>, Tensor, (Tensor Experts, Tensor Weights)> Route,
    Func<Dictionary<string, Tensor>, int, Tensor, Tensor> Expert,
    Func<Dictionary<string, Tensor>, Tensor, Tensor>? Shared = null)
{
    /// <summary>All that a run writes.</summary>
    public Dictionary<string, Tensor> Answers(BlockFolder block)
    {
        var weights = block.Weights.ToDictionary(pair => pair.Key, pair => Exact(pair.Value));
        var input = Exact(block.Numbers["input"]);
        var tokens = input.reshape(-1, input.shape[^1]);
        var logits = nn.functional.linear(tokens, weights[Router]);
        var (experts, shares) = Route(weights, logits);
        var rows = Enumerable.Range(0, (int)tokens.size(0)).Select(token => Enumerable.Range(0, (int)experts.size(1))
            .Select(choice => Expert(weights, (int)experts[token, choice].item<long>(), tokens[token].unsqueeze(0)) * shares[token, choice])
            .Aggregate((left, right) => left + right));
        var output = cat([.. rows]);
        if (Shared is not null)
            output += Shared(weights, tokens);
        output = output.reshape(input.shape);
        output.backward([block.Numbers["grad_output"].to(ScalarType.Float64)]);

        var answers = weights.ToDictionary(pair => $"grad.{pair.Key}", pair => pair.Value.grad ?? zeros_like(pair.Value));
        (answers["output"], answers["grad_input"]) = (output.detach(), input.grad!);
        (answers["router_logits"], answers["selected_experts"], answers["routing_weights"]) = (logits.detach(), experts, shares.detach());
        return answers;
    }

    /// <summary>down · (silu(gate · x) ∘ (up · x)).</summary>
    public static Tensor GatedUnit(Dictionary<string, Tensor> weights, string gate, string up, string down, Tensor rows) =>
        nn.functional.linear(nn.functional.silu(nn.functional.linear(rows, weights[gate])) * nn.functional.linear(rows, weights[up]), weights[down]);

    private static Tensor Exact(Tensor tensor) => tensor.to(ScalarType.Float64).detach().clone().requires_grad_();
}
