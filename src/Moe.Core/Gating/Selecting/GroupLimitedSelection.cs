namespace Moe.Core;

/// <summary>
/// The K best experts of the best groups only, so that a token's experts lie on few devices. A group's score is the sum of its
/// <see cref="ScoresPerGroup"/> best: 1 is DeepSeek-V2 (2024, section 2.2.2), 2 DeepSeek-V3 (2024, section 2.1.2).
/// </summary>
/// <remarks>Groups that lose are set to -∞: at 0 they would win over scores that a selection bias has made negative.</remarks>
public sealed record GroupLimitedSelection : SelectionRule
{
    /// <summary>The number of groups, the experts of a group side by side.</summary>
    /// <value>Required. Range: a divisor of the number of experts.</value>
    public required int Groups { get; init; }

    /// <summary>The groups that a token may use.</summary>
    /// <value>Required. Range: 1 to <see cref="Groups"/>, with K experts or more in them.</value>
    public required int KeptGroups { get; init; }

    /// <summary>How many of its best experts a group is judged by.</summary>
    /// <value>The default is 2. Range: 1 to the experts of a group.</value>
    public int ScoresPerGroup { get; init; } = 2;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var tokens = input.Keys.size(0);
        var byGroup = input.Keys.reshape(tokens, Groups, -1);
        var groups = byGroup.gather(-1, BestFirst(byGroup, ScoresPerGroup)).sum(dim: -1);
        var winners = At(groups, BestFirst(groups, KeptGroups));
        var keys = byGroup.masked_fill(winners.bitwise_not().unsqueeze(-1), double.NegativeInfinity).reshape(tokens, -1);
        return new Selected(BestFirst(keys, input.TopK));
    }

    internal override void Check(OptionFailures failures, GatingOptions options)
    {
        var size = options.ExpertCount / Math.Max(Groups, 1);
        failures
            .Require(Groups >= 1 && options.ExpertCount % Math.Max(Groups, 1) == 0, $"Selection.Groups ({Groups}) must divide ExpertCount ({options.ExpertCount}).")
            .Require(KeptGroups >= 1 && KeptGroups <= Groups, $"Selection.KeptGroups ({KeptGroups}) must lie between 1 and Groups ({Groups}).")
            .Require(ScoresPerGroup >= 1 && ScoresPerGroup <= Math.Max(size, 1), $"Selection.ScoresPerGroup ({ScoresPerGroup}) must lie between 1 and the experts of a group ({size}).")
            .Require(options.TopK <= KeptGroups * size, $"TopK ({options.TopK}) must be at most the experts of the kept groups ({KeptGroups} · {size}).");
    }
}
