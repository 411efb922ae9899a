using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The experts that a gate goes on with, all of them in range, and what was wrong with those it was given.</summary>
/// <param name="Indices">Experts, [T, K], Int64.</param>
/// <param name="Chosen">Which of them are meant, [T, K], Bool; null when all are.</param>
/// <param name="Invalid">How many entries of the caller's were out of range, a scalar; null where he gave none.</param>
/// <param name="Misplaced">How many choices of a rule's were no expert, a scalar; null where the rule is known to make none.</param>
internal readonly record struct Choice(Tensor Indices, Tensor? Chosen, Tensor? Invalid = null, Tensor? Misplaced = null)
{
    /// <summary>What is forced, or else what the rule chooses. What is out of range is refused when it has been counted, with one read for all.</summary>
    public static Choice Of(SelectionInput input, SelectionRule rule)
    {
        if (input.Input.Forced is { } forced)
            return ForcedChoice.Of(forced, input.Gate.ExpertCount, input.Input.Mask);
        var selected = rule.Choose(input);
        if (rule.IsTrusted)
            return new Choice(selected.Indices, selected.Chosen);

        selected.Check(input.Keys, rule.GetType().Name);
        var (within, misplaced) = ExpertRange.Of(selected.Indices, input.Gate.ExpertCount, input.Input.Mask);
        return new Choice(within, selected.Chosen, (rule as TableSelection)?.CountInvalid(input.Input), misplaced);
    }
}
