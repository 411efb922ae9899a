using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// While training, the K best of a balanced transport plan instead of the logits: rows and columns of exp(z) are scaled in turn until every token
/// gives the same and every expert gets the same (S-BASE, Clark et al. 2022, section 3.2.1; Sinkhorn and Knopp 1967). In evaluation mode the K best logits.
/// </summary>
/// <remarks>Not causal while training: the plan looks at all tokens. Weights come from the logits as ever. A fixed number of iterations, so that nothing is read back.</remarks>
public sealed record SinkhornSelection : SelectionRule
{
    /// <summary>How often rows and columns are scaled.</summary>
    /// <value>The default is 50. Range: at least 1.</value>
    public int Iterations { get; init; } = 50;

    /// <inheritdoc/>
    public override bool IsCausal => false;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var logits = input.Logits.detach();
        return new Selected(Best(input.Input.Training ? Plan(logits, input.Input.Mask) : logits, input.TopK));
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Iterations >= 1, $"Selection.Iterations ({Iterations}) must be at least 1.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place beside a balanced plan.");

    /// <summary>The plan, [T, E], Float64: every row of a real token sums to about 1/T, every column to 1/E.</summary>
    internal Tensor Plan(Tensor logits, Tensor? mask)
    {
        // Scaling a row changes nothing in the end: the largest entry of each is 1, so that nothing overflows. In Float64 an expert that all tokens rate
        // hundreds below their best is still part of the plan; that is what balancing is for.
        var wide = logits.to(ScalarType.Float64);
        var cost = (wide - wide.amax([1], keepdim: true)).exp();
        if (mask is not null)
            cost *= mask.unsqueeze(-1);
        var tokens = mask is null ? full([], logits.size(0), dtype: cost.dtype, device: cost.device) : mask.sum().to(cost.dtype).clamp_min(1);
        var columns = ones(logits.size(1), dtype: cost.dtype, device: cost.device);
        var rows = columns;
        for (var round = 0; round < Iterations; round++)
        {
            using var scope = NewDisposeScope();
            var nextRows = Inverse(cost.matmul(columns)) / tokens;
            var nextColumns = Inverse(nextRows.unsqueeze(0).matmul(cost).squeeze(0)) / logits.size(1);
            (rows, columns) = scope.MoveToOuter(nextRows, nextColumns);
        }
        return cost * rows.unsqueeze(-1) * columns;
    }

    /// <summary>1 / x; what sums to 0, as padding does, stays 0 whatever it is multiplied with.</summary>
    private static Tensor Inverse(Tensor sums) => sums.clamp_min(1e-300).reciprocal();
}
