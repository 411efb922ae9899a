namespace Moe.Core;

/// <summary>
/// The best expert always, each further one of the K best by chance while training: with probability min(1, g / <see cref="Threshold"/>), g being its
/// weight among the K (GShard, Lepikhin et al. 2020, section 2.2: threshold 1/2; ST-MoE's code: 0.2). In evaluation mode all K.
/// </summary>
/// <remarks>Weights are normalised over all K before any is left out, as published.</remarks>
public sealed record StochasticSelection : SelectionRule
{
    /// <summary>The weight from which on an expert is always taken.</summary>
    /// <value>The default is 0.5. Range: above 0, finite.</value>
    public double Threshold { get; init; } = 0.5;

    /// <inheritdoc/>
    public override bool NeedsOrderOnly => true;

    /// <inheritdoc/>
    public override bool NormalizesOverChosen => false;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var indices = BestFirst(input.Keys, input.TopK);
        if (!input.Input.Training || input.TopK == 1)
            return new Selected(indices);

        var best = input.Scores.detach().gather(1, indices);
        var shares = best / (best.sum(dim: 1, keepdim: true) + 1e-20);
        var chosen = input.Draws.Uniform(shares).lt(shares / Threshold);
        chosen.select(1, 0).fill_(true);
        return new Selected(indices, chosen);
    }

    internal override void Check(OptionFailures failures, GatingOptions options) =>
        failures.Require(Threshold > 0 && double.IsFinite(Threshold), $"Selection.Threshold ({Threshold}) must be positive and finite.");
}
