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
        return new Selected(Best(input.Input.Training ? LogPlan(input.Logits.detach(), input.Input.Mask) : input.Keys, input.TopK));
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Iterations >= 1, $"Selection.Iterations ({Iterations}) must be at least 1.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place beside a balanced plan.");

    /// <summary>The logarithm of the plan, [T, E]: every row of a real token sums to about 1/T, every column to 1/E.</summary>
    internal Tensor LogPlan(Tensor logits, Tensor? mask)
    {
        // In logarithms: exp(z) overflows, and an expert that all tokens think little of would be rounded out of the plan.
        var tokens = mask is null ? full([], logits.size(0), dtype: logits.dtype, device: logits.device) : mask.sum().to(logits.dtype).clamp_min(1);
        var padding = mask?.bitwise_not().unsqueeze(-1);
        var (perRow, perColumn) = (-tokens.log(), -Math.Log(logits.size(1)));
        var columns = zeros(1, logits.size(1), dtype: logits.dtype, device: logits.device);
        var rows = columns;
        for (var round = 0; round < Iterations; round++)
        {
            using var scope = NewDisposeScope();
            var nextRows = perRow - (logits + columns).logsumexp(1, keepdim: true);
            if (padding is not null)
                nextRows = nextRows.masked_fill(padding, -1e30);
            var nextColumns = perColumn - (logits + nextRows).logsumexp(0, keepdim: true);
            (rows, columns) = scope.MoveToOuter(nextRows, nextColumns);
        }
        return logits + rows + columns;
    }
}
