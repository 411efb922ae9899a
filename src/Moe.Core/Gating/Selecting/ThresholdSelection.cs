namespace Moe.Core;

/// <summary>
/// Those of the K best whose score is above a threshold: as many experts as a token needs. With <see cref="ScoreFunction.Relu"/>, K = E, threshold 0 and no
/// best one in any case it is ReMoE (Wang et al. 2024, section 3.2).
/// </summary>
/// <remarks>The threshold is compared with scores, selection bias included, never with logits.</remarks>
public sealed record ThresholdSelection : SelectionRule
{
    /// <summary>An expert is taken if its score is larger.</summary>
    /// <value>The default is 0. Range: finite.</value>
    public double Threshold { get; init; }

    /// <summary>Whether the best expert is taken even if its score is not above the threshold.</summary>
    /// <value>The default is true: no token is left without an expert.</value>
    public bool AlwaysBest { get; init; } = true;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var indices = Best(input.Keys, input.TopK);
        var keys = input.Keys.gather(1, indices);
        var chosen = keys.gt(Threshold);
        if (AlwaysBest)
            chosen = chosen.bitwise_or(At(keys, keys.argmax(1, keepdim: true)));
        return new Selected(indices, chosen);
    }

    internal override void Check(OptionFailures failures, GatingOptions options) =>
        failures.Require(double.IsFinite(Threshold), $"Selection.Threshold ({Threshold}) must be finite.");
}
