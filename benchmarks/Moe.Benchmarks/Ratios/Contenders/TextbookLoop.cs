using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>The mixture as its formula reads: for each token, for each of its experts, the expert's answer to that one row, weighted.</summary>
internal static class TextbookLoop
{
    public const string Name = "textbook";

    public static Tensor Forward(SeparateExperts layer, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(cat([.. Enumerable.Range(0, (int)tokens.size(0)).Select(token => Answer(layer, tokens.narrow(0, token, 1)))]));
    }

    private static Tensor Answer(SeparateExperts layer, Tensor row)
    {
        using var scope = NewDisposeScope();
        var (weights, indices) = layer.Route(row);
        var sum = zeros_like(row);
        foreach (var (choice, expert) in indices.cpu().data<long>().ToArray().Index())
            sum += weights[0, choice] * layer.Experts[(int)expert].call(row);
        return scope.MoveToOuter(sum);
    }
}
