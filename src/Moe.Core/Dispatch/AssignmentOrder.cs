using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Assignments sorted by expert, those of one expert in the order of their tokens.</summary>
/// <remarks>N = T · K assignments, numbered t · K + k, of which M are kept.</remarks>
/// <param name="Assignments">Which assignment each routed row is, [M], Int64.</param>
/// <param name="RowOf">In which row each assignment lies, [N], Int64; M where it is not kept.</param>
internal readonly record struct AssignmentOrder(Tensor Assignments, Tensor RowOf)
{
    /// <summary>Sorts: on the host by counting, elsewhere by a stable sort.</summary>
    public static AssignmentOrder Of(RoutingDecision decision) =>
        HostPath.Allows(decision.Indices) ? Counted(decision) : Sorted(decision);

    /// <summary>By torch, without asking the device for anything.</summary>
    internal static AssignmentOrder Sorted(RoutingDecision decision)
    {
        var routed = decision.Routed;
        var experts = decision.AllKept
            ? decision.Indices
            : decision.Indices.masked_fill(decision.Kept.bitwise_not(), decision.ExpertCount);
        var (_, order) = experts.reshape(-1).sort(0, descending: false, stable: true);
        var rows = Rows.Inverse(order);
        return new(order.narrow(0, 0, routed), decision.AllKept ? rows : rows.clamp_max(routed));
    }

    /// <summary>By counting: the counts are known, so that one look at each assignment tells its row.</summary>
    private static AssignmentOrder Counted(RoutingDecision decision)
    {
        var load = decision.Load;
        Span<long> next = load.Count <= 1024 ? stackalloc long[load.Count] : new long[load.Count];
        next[0] = 0;
        for (var expert = 1; expert < next.Length; expert++)
            next[expert] = next[expert - 1] + load[expert - 1];
        var routed = next[^1] + load[^1];

        var assignments = empty(routed, dtype: ScalarType.Int64, device: CPU);
        var rows = empty(decision.TokenCount * decision.TopK, dtype: ScalarType.Int64, device: CPU);
        var byRow = HostMemory.Of<long>(assignments);
        var byAssignment = HostMemory.Of<long>(rows);
        var experts = HostMemory.Of<long>(decision.Indices.contiguous());
        var kept = decision.AllKept ? default : HostMemory.Of<bool>(decision.Kept.contiguous());
        for (var assignment = 0; assignment < experts.Length; assignment++)
        {
            if (!kept.IsEmpty && !kept[assignment])
            {
                byAssignment[assignment] = routed;
                continue;
            }
            var row = next[(int)experts[assignment]]++;
            byRow[(int)row] = assignment;
            byAssignment[assignment] = row;
        }
        return new(assignments, rows);
    }
}
