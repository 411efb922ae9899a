namespace Moe.Core;

/// <summary>The K best (Shazeer et al. 2017, eq. 5; K = 1: Switch, Fedus et al. 2021, eq. 1; K = E: dense).</summary>
public sealed record TopKSelection : SelectionRule
{
    /// <inheritdoc/>
    public override bool NeedsOrderOnly => true;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new Selected(Best(input.Keys, input.TopK));
    }
}
