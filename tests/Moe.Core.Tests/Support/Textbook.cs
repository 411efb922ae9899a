using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The formulas as a textbook has them, token by token and slowly, written apart from the library.</summary>
internal static class Textbook
{
    /// <summary>y = Σ gᵢ(x) fᵢ(x) over the k experts with the largest logits; softmax written out.</summary>
    public static Tensor Mixture(
        Tensor x, Tensor gateWeight, Tensor? gateBias, IReadOnlyList<Func<Tensor, Tensor>> experts, GatingOptions options, double temperature = 1)
    {
        var rows = new List<Tensor>();
        for (var t = 0L; t < x.size(0); t++)
        {
            var row = x[t].unsqueeze(0);
            var logits = gateWeight.matmul(x[t]);
            if (gateBias is not null)
                logits = logits + gateBias;
            var exponentials = (logits / temperature).exp();
            var numbers = Compare.Doubles(logits);
            var chosen = Enumerable.Range(0, experts.Count).OrderByDescending(i => numbers[i]).Take(options.TopK).ToArray();

            var overChosen = chosen.Select(i => exponentials[i]).Aggregate((left, right) => left + right);
            var overAll = Enumerable.Range(0, experts.Count).Select(i => exponentials[i]).Aggregate((left, right) => left + right);
            var divisor = options.Softmax == SoftmaxOrder.AfterSelection || options.Renormalize ? overChosen : overAll;
            rows.Add(chosen.Select(i => exponentials[i] / divisor * experts[i](row)).Aggregate((left, right) => left + right));
        }
        return cat(rows);
    }

    /// <summary>W_down · gelu(W_up · x + b_up) + b_down, with the exact Gaussian error function.</summary>
    public static Tensor FeedForward(Tensor row, Tensor up, Tensor upBias, Tensor down, Tensor downBias)
    {
        var hidden = row.matmul(up.t()) + upBias;
        return (hidden * 0.5 * (1 + (hidden / Math.Sqrt(2)).erf())).matmul(down.t()) + downBias;
    }

    /// <summary>W_down · (silu(W_gate · x) ⊙ W_up · x), W_gate and W_up one above the other.</summary>
    public static Tensor SwiGlu(Tensor row, Tensor gateUp, Tensor down)
    {
        var (gate, up) = (gateUp.chunk(2, 0)[0], gateUp.chunk(2, 0)[1]);
        var gated = row.matmul(gate.t());
        return (gated / (1 + (-gated).exp()) * row.matmul(up.t())).matmul(down.t());
    }

    /// <summary>The experts of a layer made by <see cref="Make.Layer"/>.</summary>
    public static Func<Tensor, Tensor>[] StackOf(MixtureOfExperts layer, string pool = "experts", int? count = null)
    {
        var p = layer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        return
        [
            .. Enumerable.Range(0, count ?? layer.Experts.Count).Select<int, Func<Tensor, Tensor>>(e => row => FeedForward(
                row, p[$"{pool}.0.up_weight"][e], p[$"{pool}.0.up_bias"][e], p[$"{pool}.0.down_weight"][e], p[$"{pool}.0.down_bias"][e])),
        ];
    }
}
