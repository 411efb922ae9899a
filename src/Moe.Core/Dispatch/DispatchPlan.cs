using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>How rows travel: to the experts, grouped by expert, and back to their tokens. Learns nothing.</summary>
internal abstract class DispatchPlan
{
    /// <summary>The rows of each expert.</summary>
    public abstract IReadOnlyList<long> RowsPerExpert { get; }

    /// <summary>Works out the journeys from a decision.</summary>
    public static DispatchPlan From(RoutingDecision decision) =>
        decision.Slots is { } slots ? new SlotPlan(slots, decision.Mask) : new AssignmentPlan(decision);

    /// <summary>The whole journey in one step, [T, Dout], where there is a way that is made for such experts; null where there is none.</summary>
    public virtual Tensor? Fused(ExpertPool experts, Tensor tokens) => null;

    /// <summary>What the experts are asked, grouped by expert: [T, D] → [M, D].</summary>
    public abstract Tensor Gather(Tensor tokens);

    /// <summary>Brings the answers home, weighted.</summary>
    /// <param name="answers">The experts' answers in order, together [M, Dout]. May be added to.</param>
    /// <param name="tokens">The tokens that were asked about, [T, D].</param>
    /// <param name="outputWidth">Dout.</param>
    /// <returns>[T, Dout]. The sum runs in a fixed order, never by atomic additions: the same bits every time.</returns>
    public abstract Tensor Combine(List<Tensor> answers, Tensor tokens, long outputWidth);
}
