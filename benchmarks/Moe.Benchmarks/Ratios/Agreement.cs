using Moe.Benchmarks.Ratios.Contenders;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>Whether two contenders compute the same. What is fast and wrong is not timed.</summary>
internal static class Agreement
{
    // Where the last expert chosen and the first one not chosen are that close, roundings decide between them.
    private const double Tie = 1e-5;

    /// <summary>Compares the layer with the published loop.</summary>
    /// <returns>The largest difference, in parts of the largest answer.</returns>
    /// <exception cref="InvalidOperationException">It is larger than roundings explain.</exception>
    public static double Check(RatioCase row, Lineup lineup, Tensor tokens)
    {
        var allowed = row.Type == ScalarType.BFloat16 ? 5e-2 : 1e-3;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var expected = lineup.Loop.Forward(tokens).to(ScalarType.Float64);
        var difference = (lineup.Ours.Forward(tokens).to(ScalarType.Float64) - expected).abs().amax(1);
        if (row.Layer.Experts > row.Layer.TopK)
        {
            var (logits, _) = lineup.Logits(tokens).topk(row.Layer.TopK + 1, dim: -1);
            difference = difference * logits.select(1, row.Layer.TopK - 1).sub(logits.select(1, row.Layer.TopK)).gt(Tie);
        }

        var relative = difference.max().item<double>() / expected.abs().max().item<double>();
        return relative <= allowed
            ? relative
            : throw new InvalidOperationException($"{row.Id}: ours and loop differ by {relative:0.0e0} of the largest answer, more than {allowed}: not timed.");
    }
}
