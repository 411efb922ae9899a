using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>
/// The loop over experts of Mixtral's reference block (Jiang et al. 2024; Hugging Face transformers): a mask of who goes where, and for each expert
/// <c>where</c>, a gather, the three products, and <c>index_add_</c>. Experts without tokens are left out, as later versions of the block do.
/// </summary>
internal static class ExpertLoop
{
    public const string Name = "loop";

    public static Tensor Forward(SeparateExperts layer, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var (weights, indices) = layer.Route(tokens);
        var output = zeros_like(tokens);
        var mask = nn.functional.one_hot(indices, layer.Experts.Count).to(ScalarType.Bool).permute(2, 1, 0);
        var hit = mask.sum([-1, -2]).gt(0).nonzero();
        foreach (var expert in hit.cpu().data<long>().ToArray())
        {
            if (where(mask[expert]) is not [var choice, var token])
                throw new InvalidOperationException("The mask of an expert has two dimensions.");
            var rows = tokens.index_select(0, token);
            var answers = layer.Experts[(int)expert].call(rows) * weights[TensorIndex.Tensor(token), TensorIndex.Tensor(choice)].unsqueeze(-1);
            output.index_add_(0, token, answers, 1);
        }
        return scope.MoveToOuter(output);
    }
}
