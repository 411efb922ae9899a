using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The third step of a router: which experts a token is sent to.</summary>
/// <remarks>Immutable data with value equality. Derive from it for a rule of your own.</remarks>
public abstract record SelectionRule
{
    /// <summary>The K best, whatever the others do.</summary>
    public static SelectionRule TopK { get; } = new TopKSelection();

    /// <summary>Whether a token's experts depend on itself and earlier tokens only.</summary>
    public virtual bool IsCausal => true;

    /// <summary>
    /// Whether only the order of a token's own scores matters. If so, it is given logits where they have the same order
    /// (<see cref="ScoreFunction.KeepsOrder"/>): they tell apart what scores round to the same.
    /// </summary>
    public virtual bool NeedsOrderOnly => false;

    /// <summary>Whether weights that are to be normalised are normalised over what was chosen, rather than over all that was considered.</summary>
    public virtual bool NormalizesOverChosen => true;

    /// <summary>Whether the rule is known to choose among the experts that there are; all others are checked.</summary>
    internal virtual bool IsTrusted => GetType().Assembly == typeof(SelectionRule).Assembly;

    /// <summary>Chooses.</summary>
    /// <param name="input">What to choose by.</param>
    /// <returns>The choice, in tensors without gradients.</returns>
    public abstract Selected Choose(SelectionInput input);

    /// <summary>Notes what is wrong with the settings.</summary>
    internal virtual void Check(OptionFailures failures, GatingOptions options)
    {
    }

    /// <summary>The weights that belong to a choice, [T, K], where the rule has a formula of its own; null for the gate's.</summary>
    internal virtual Tensor? Weigh(SelectionInput input, Tensor indices) => null;

    /// <summary>The K largest of each row, best first; all in their order when K = E.</summary>
    internal static Tensor Best(Tensor keys, int choices)
    {
        var experts = keys.size(1);
        return choices == experts
            ? arange(experts, dtype: ScalarType.Int64, device: keys.device).expand(keys.size(0), experts).contiguous()
            : LargestOfRow.Of(keys, choices);
    }

    /// <summary>True at the given places of each row, [T, K], and false elsewhere; as wide as <paramref name="like"/>.</summary>
    internal static Tensor At(Tensor like, Tensor places) =>
        zeros_like(like, dtype: ScalarType.Bool).scatter(1, places, ones_like(places, dtype: ScalarType.Bool));

    /// <summary>The K largest of each row, best first, also when K = E.</summary>
    internal static Tensor BestFirst(Tensor keys, int choices) => LargestOfRow.Of(keys, choices);
}
