using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// One expert after the other, drawn from a softmax over those that come close to the best, with a gradient that estimates what the others would have
/// given: SparseMixer (Liu et al. 2023, section 3) as in PhiMoE (GRIN, Liu et al. 2024, section 2.1). In evaluation mode the best each time.
/// </summary>
/// <remarks>
/// <para>Expert i is close to the best, m, while (m - zᵢ) / max(|zᵢ|, m) is at most 2 · <see cref="Jitter"/>. The weight of a draw is its probability; those of the K draws do
/// not sum to 1. While training, a draw that is not the best counts only a third in three cases of four (Heun's method: at the midpoint), and its gradient in full.</para>
/// <para>It has weights of its own: <see cref="GatingOptions.Renormalize"/> and <see cref="GatingOptions.StraightThrough"/> are refused.</para>
/// </remarks>
public sealed record SparseMixerSelection : SelectionRule
{
    /// <summary>ε of the rule for "close".</summary>
    /// <value>The default is 0.01, as in PhiMoE. Range: 0 (only the best) or more, finite.</value>
    public double Jitter { get; init; } = 0.01;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var logits = input.Logits.detach();
        var chosen = new List<Tensor>(input.TopK);
        for (var choice = 0; choice < input.TopK; choice++)
        {
            var close = Close(logits, Without(logits, chosen));
            var drawn = input.Input.Training ? close + input.Draws.Gumbel(close) : close;
            chosen.Add(drawn.argmax(1, keepdim: true));
        }
        return new Selected(cat(chosen, 1));
    }

    internal override Tensor Weigh(SelectionInput input, Tensor indices)
    {
        var logits = input.Logits;
        var before = new List<Tensor>();
        var weights = new List<Tensor>();
        foreach (var choice in indices.split(1, 1))
        {
            var probabilities = Close(logits, Without(logits, before)).softmax(-1);
            var weight = probabilities.gather(1, choice);
            if (input.Input.Training)
            {
                // Forward times 1 or 1/3, backward in full.
                var (_, best) = probabilities.detach().max(1, keepdim: true);
                var full = choice.eq(best).bitwise_or(input.Draws.Uniform(weight.detach()).gt(0.75)).to(weight.dtype);
                weight += weight.detach() * ((full - 1) * (2.0 / 3));
            }
            weights.Add(weight);
            before.Add(choice);
        }
        return cat(weights, 1);
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Jitter >= 0 && double.IsFinite(Jitter), $"Selection.Jitter ({Jitter}) must be 0 or more, and finite.")
        .Require(options.Score == ScoreFunction.Softmax, $"Score ({options.Score}) must be Softmax, which SparseMixer draws from.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place in SparseMixer.")
        .Require(!options.Renormalize, $"Renormalize ({options.Renormalize}) has no place in SparseMixer, whose weights are its own.")
        .Require(!options.StraightThrough, $"StraightThrough ({options.StraightThrough}) has no place in SparseMixer, which has a gradient of its own.")
        .Require(options.NullExperts == 0, $"NullExperts ({options.NullExperts}) have no place in SparseMixer, whose weights are its own.");

    /// <summary>The logits with those already taken at -∞.</summary>
    private static Tensor Without(Tensor logits, List<Tensor> taken) =>
        taken.Count == 0 ? logits : logits.masked_fill(At(logits, cat(taken, 1)), double.NegativeInfinity);

    /// <summary>The remaining logits with those far below their best at -∞.</summary>
    private Tensor Close(Tensor logits, Tensor remaining)
    {
        var all = logits.detach();
        var best = remaining.detach().amax([1], keepdim: true);
        var far = ((best - all) / all.abs().maximum(best)).gt(2 * Jitter);
        return remaining.masked_fill(far, double.NegativeInfinity);
    }
}
