using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Experts choose tokens: each takes the C = ⌈K · tokens / E⌉ with the highest scores for it, so that load is perfectly balanced, and a
/// token may get none, some or all experts, K on average (Zhou et al. 2022, section 3.2).
/// </summary>
/// <remarks>
/// Not causal: who is taken depends on all tokens of the scope. The decision has E columns. Use it with
/// <see cref="SoftmaxOrder.BeforeSelection"/>, as published: the weight is the score itself.
/// </remarks>
public sealed record ExpertChoiceSelection : SelectionRule
{
    /// <summary>Among which tokens an expert chooses.</summary>
    /// <value>The default is <see cref="TokenScope.Batch"/>.</value>
    public TokenScope Scope { get; init; } = TokenScope.Batch;

    /// <inheritdoc/>
    public override bool IsCausal => false;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var (tokens, experts) = (input.Keys.size(0), (int)input.Keys.size(1));
        var length = Scope == TokenScope.Batch ? tokens : input.Input.SequenceLength;
        var mask = input.Input.Mask?.reshape(-1, length);
        var keys = input.Keys.reshape(-1, length, experts);
        if (mask is not null)
            keys = keys.masked_fill(mask.bitwise_not().unsqueeze(-1), double.NegativeInfinity);

        // As many as without padding are looked at, and as many as there are real tokens for are taken: no size has to be read.
        var most = (int)Math.Min(length, (input.TopK * length + experts - 1) / experts);
        // Of equal scores, as ReLU gives many, the earlier token's counts: torch's topk would choose another one when padding is added.
        var taken = keys.sort(1, descending: true, stable: true).Indices.narrow(1, 0, most);
        var places = mask is null ? null : Capacity.Rounded(mask.sum(1), input.TopK, experts, 1, CapacityRounding.Up);
        var fits = places is null
            ? ones_like(taken, dtype: ScalarType.Bool)
            : arange(most, dtype: ScalarType.Int64, device: keys.device).reshape(1, -1, 1).lt(places.reshape(-1, 1, 1)).expand_as(taken);
        var chosen = zeros_like(keys, dtype: ScalarType.Bool).scatter(1, taken, fits).reshape(tokens, experts);
        return new Selected(Best(input.Keys, experts), chosen);
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Enum.IsDefined(Scope), $"Selection.Scope ({Scope}) must be Batch or Sequence.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place beside expert choice: the same for all tokens, it changes no expert's order of them.")
        .Require(options.Capacity is null, "Capacity (given) has no place beside expert choice, which has its own.")
        .Require(
            options.Softmax == SoftmaxOrder.BeforeSelection || options.Score != ScoreFunction.Softmax,
            $"Softmax ({options.Softmax}) must be BeforeSelection: experts choose by the scores that become weights.");
}
