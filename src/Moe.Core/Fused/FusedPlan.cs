using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Which rows go to which expert of a stack, and which experts have none.</summary>
/// <remarks>T tokens, K choices, E experts, M routed rows, sorted by expert. Belongs to the decision and the dispose scope in which it was made.</remarks>
internal sealed class FusedPlan
{
    private AssignmentOrder _order;

    public FusedPlan(RoutingDecision decision, AssignmentOrder order)
    {
        _order = order;
        (Tokens, TopK, Rows) = (decision.TokenCount, decision.TopK, order.Assignments.size(0));
        var (asked, start) = (0, 0);
        for (var expert = 0; expert < decision.Load.Count; expert++)
            asked += decision.Load[expert] > 0 ? 1 : 0;
        (Segments, Idle) = (new Segment[asked], new Segment[decision.Load.Count - asked]);
        for (var (expert, next) = (0, 0); expert < decision.Load.Count; expert++)
        {
            var count = (int)decision.Load[expert];
            if (count > 0)
                Segments[next++] = new(expert, start, count);
            else
                Idle[expert - next] = new(expert, start, 0);
            Most = Math.Max(Most, count);
            start += count;
        }
    }

    /// <summary>T.</summary>
    public long Tokens { get; }

    /// <summary>K.</summary>
    public int TopK { get; }

    /// <summary>M.</summary>
    public long Rows { get; }

    /// <summary>The experts that have rows.</summary>
    public Segment[] Segments { get; }

    /// <summary>The experts without rows.</summary>
    public Segment[] Idle { get; }

    /// <summary>The most rows of an expert.</summary>
    public int Most { get; }

    /// <summary>The same plan with the same order in other handles, which live as long as the one who asks.</summary>
    public FusedPlan With(AssignmentOrder order)
    {
        var plan = (FusedPlan)MemberwiseClone();
        plan._order = order;
        return plan;
    }

    /// <summary>Which assignment (t · K + k) each row is, [M], Int64.</summary>
    public Tensor Assignments => _order.Assignments;

    /// <summary>In which row each assignment lies, [N], Int64; M where it is not kept.</summary>
    public Tensor RowOf => _order.RowOf;

    /// <summary>The rows of one expert: Count of them from Start on.</summary>
    public readonly record struct Segment(int Expert, int Start, int Count);
}
