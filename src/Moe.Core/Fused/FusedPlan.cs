using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Which rows go to which expert of a stack, and how each expert works them off.</summary>
/// <remarks>T tokens, K choices, E experts, M routed rows, sorted by expert. Belongs to the decision and the dispose scope in which it was made.</remarks>
internal sealed class FusedPlan
{
    /// <summary>Up to so many rows of an expert our own loops are faster than a matrix product of the library's (docs/performance.md).</summary>
    public const int MostOfFew = 32;

    private AssignmentOrder _order;

    public FusedPlan(RoutingDecision decision, AssignmentOrder order, ScalarType type)
    {
        _order = order;
        (Tokens, TopK, Rows) = (decision.TokenCount, decision.TopK, order.Assignments.size(0));
        var few = new List<Segment>();
        var many = new List<Segment>();
        var idle = new List<int>();
        var limit = type == ScalarType.Float32 && decision.Weights.dtype == ScalarType.Float32 && Lanes.AreFast ? MostOfFew : 0;
        var start = 0L;
        for (var expert = 0; expert < decision.Load.Count; expert++)
        {
            var count = decision.Load[expert];
            if (count == 0)
                idle.Add(expert);
            else
                (count <= limit ? few : many).Add(new(expert, start, (int)count));
            start += count;
        }
        (Few, Many, Idle) = ([.. few], [.. many], [.. idle]);
    }

    /// <summary>T.</summary>
    public long Tokens { get; }

    /// <summary>K.</summary>
    public int TopK { get; }

    /// <summary>M.</summary>
    public long Rows { get; }

    /// <summary>The experts with few rows.</summary>
    public Segment[] Few { get; }

    /// <summary>The experts with many rows.</summary>
    public Segment[] Many { get; }

    /// <summary>The experts without rows.</summary>
    public int[] Idle { get; }

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
    public readonly record struct Segment(int Expert, long Start, int Count);
}
