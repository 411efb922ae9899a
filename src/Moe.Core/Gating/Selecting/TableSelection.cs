using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A fixed table says which experts a token of the vocabulary is sent to (hash layers, Roller et al. 2021, section 3; the first layers of DeepSeek-V4).
/// Weights still come from the scores.
/// </summary>
/// <remarks>
/// Needs <see cref="RoutingContext.TokenIds"/>. State: <c>table</c> [V, K], Int64, at first a random one in which every expert has the same number of
/// entries, give or take one; copy another into it if you have one.
/// </remarks>
public sealed record TableSelection : SelectionRule
{
    /// <summary>V, the number of token ids.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long VocabularySize { get; init; }

    /// <summary>A table may have been loaded, from anywhere.</summary>
    internal override bool IsTrusted => false;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var ids = input.Input.TokenIds ?? throw new ArgumentException($"Expected {nameof(RoutingContext.TokenIds)}, which this gate chooses by, got none.");
        var rows = input.Gate.Table!.gather(0, ids.clamp(0, VocabularySize - 1).unsqueeze(-1).expand(-1, input.Gate.Table.size(1)));
        return new Selected(rows.narrow(1, 0, input.TopK));
    }

    /// <summary>How many token ids are out of range, padding's apart.</summary>
    internal Tensor CountInvalid(RouterInput input)
    {
        var ids = input.Mask is { } mask ? input.TokenIds!.masked_fill(mask.bitwise_not(), 0) : input.TokenIds!;
        return ids.lt(0).bitwise_or(ids.ge(VocabularySize)).sum();
    }

    /// <summary>
    /// A balanced random table, [V, K]: rows are runs of a shuffled circle of experts, so that none is twice in a row. E rows that begin at E places use every expert
    /// K times; the rows that are left over follow one another.
    /// </summary>
    internal Tensor NewTable(int experts, int choices, Generator? generator)
    {
        var shuffled = randperm(experts, dtype: ScalarType.Int64, device: generator?.device ?? CPU, generator: generator);
        var starts = randperm(VocabularySize, dtype: ScalarType.Int64, device: shuffled.device, generator: generator);
        var whole = VocabularySize / experts * experts;
        var places = starts.where(starts.lt(whole), (starts - whole) * choices).unsqueeze(-1) + arange(choices, dtype: ScalarType.Int64, device: shuffled.device);
        return shuffled.gather(0, places.remainder(experts).reshape(-1)).reshape(VocabularySize, choices);
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(VocabularySize >= 1, $"Selection.VocabularySize ({VocabularySize}) must be at least 1.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place beside a table, which looks at no scores.");
}
