namespace Moe.Core;

/// <summary>
/// The fewest of the K best whose probabilities add up to <see cref="Probability"/>: harder tokens get more experts (Huang et al. 2024, "Harder Tasks
/// Need More Experts", eq. 3-4).
/// </summary>
/// <remarks>A selection bias changes the order in which experts are taken, not the probabilities that are added up.</remarks>
public sealed record TopPSelection : SelectionRule
{
    /// <summary>p.</summary>
    /// <value>The default is 0.4, as in the paper. Range: above 0, at most 1.</value>
    public double Probability { get; init; } = 0.4;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var indices = BestFirst(input.Keys, input.TopK);
        var probabilities = input.Scores.detach().gather(1, indices);
        var before = probabilities.cumsum(1) - probabilities;
        return new Selected(indices, before.lt(Probability));
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Probability is > 0 and <= 1, $"Selection.Probability ({Probability}) must be above 0 and at most 1.")
        .Require(options.Score is { SumsToOne: true }, $"Score ({options.Score}) must sum to 1 for a choice by probability.");
}
