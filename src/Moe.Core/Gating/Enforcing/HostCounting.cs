using System.Numerics;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What becomes of the choices, and how many there are, in one walk over memory that the host can read.</summary>
internal static class HostCounting
{
    /// <summary>Decides which assignments take place and counts them; what must not be is counted too, and refused by others.</summary>
    /// <param name="proposal">What the router wants.</param>
    /// <param name="mask">True for real tokens, [T]; null when all are.</param>
    /// <param name="experts">E.</param>
    /// <param name="limit">Who comes first, [N], and the places of each group, [G]; null where there is room for all.</param>
    /// <param name="told">C as the decision tells it, [G]; null without.</param>
    /// <returns>Which take place, [T, K], null when all do; and the counts.</returns>
    public static (Tensor? Kept, RoutingCounts Counts) Of(RoutingProposal proposal, Tensor? mask, int experts, (Tensor Order, Tensor Places)? limit, Tensor? told)
    {
        var indices = HostMemory.Of<long>(Contiguous(proposal.Indices));
        var choices = (int)proposal.Indices.size(1);
        var assigned = new long[experts];
        var (counts, valid, most, kept) = (assigned, (long)indices.Length / choices, (long)choices, (Tensor?)null);
        if (mask is null && proposal.Chosen is null && limit is null)
        {
            foreach (var expert in indices)
                assigned[expert]++;
        }
        else
        {
            kept = empty(proposal.Indices.size(0), choices, dtype: ScalarType.Bool, device: proposal.Indices.device);
            var marks = HostMemory.Of<bool>(kept);
            valid = Mean(indices, choices, Flags(mask), Flags(proposal.Chosen), marks, assigned);
            if (limit is var (order, places))
                Fit(indices, HostMemory.Of<long>(Contiguous(order)), HostMemory.Of<double>(Contiguous(places)), marks, counts = new long[experts]);
            if (proposal.Chosen is not null)
                most = Most(marks, choices);
        }
        var invalid = proposal.Invalid is { } wrong ? HostMemory.Of<long>(wrong)[0] : 0;
        var misplaced = proposal.Misplaced is { } none ? HostMemory.Of<long>(none)[0] : 0;
        return (kept, new RoutingCounts(counts, assigned, valid, NonFinite(proposal.Perturbed ?? proposal.Logits), invalid, misplaced, most, told is null ? null : Largest(told)));
    }

    /// <summary>Marks what is meant, and counts it by expert.</summary>
    /// <returns>The tokens that are not padding.</returns>
    private static long Mean(ReadOnlySpan<long> indices, int choices, ReadOnlySpan<bool> real, ReadOnlySpan<bool> chosen, Span<bool> marks, long[] assigned)
    {
        var valid = 0L;
        for (int token = 0, at = 0; at < indices.Length; token++)
        {
            var isReal = real.IsEmpty || real[token];
            valid += isReal ? 1 : 0;
            for (var end = at + choices; at < end; at++)
            {
                marks[at] = isReal && (chosen.IsEmpty || chosen[at]);
                if (marks[at])
                    assigned[indices[at]]++;
            }
        }
        return valid;
    }

    /// <summary>Lets those that come first have the places, and unmarks the others.</summary>
    private static void Fit(ReadOnlySpan<long> indices, ReadOnlySpan<long> order, ReadOnlySpan<double> places, Span<bool> marks, long[] counts)
    {
        var taken = new long[places.Length * counts.Length];
        var perGroup = indices.Length / places.Length;
        foreach (var place in order)
        {
            var at = (int)place;
            if (!marks[at])
                continue;
            var group = places.Length == 1 ? 0 : at / perGroup;
            ref var queue = ref taken[group * counts.Length + (int)indices[at]];
            marks[at] = queue < places[group];
            if (!marks[at])
                continue;
            queue++;
            counts[indices[at]]++;
        }
    }

    /// <summary>The most assignments that any token has kept.</summary>
    private static long Most(ReadOnlySpan<bool> marks, int choices)
    {
        var most = 0;
        for (; !marks.IsEmpty; marks = marks[choices..])
            most = Math.Max(most, marks[..choices].Count(true));
        return most;
    }

    private static long NonFinite(Tensor logits) => logits.dtype == ScalarType.Float64
        ? NonFinite<double>(HostMemory.Of<double>(Contiguous(logits)))
        : NonFinite<float>(HostMemory.Of<float>(Contiguous(logits)));

    /// <summary>x - x is 0 unless x is NaN or infinite, and a sum of such differences is unless one of them is not.</summary>
    private static long NonFinite<T>(ReadOnlySpan<T> numbers)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var (differences, at) = (Vector<T>.Zero, 0);
        for (; at <= numbers.Length - Vector<T>.Count; at += Vector<T>.Count)
        {
            var several = new Vector<T>(numbers[at..]);
            differences += several - several;
        }
        var rest = Vector.EqualsAll(differences, Vector<T>.Zero) ? numbers[at..] : numbers;
        var count = 0L;
        foreach (var number in rest)
            count += T.IsFinite(number) ? 0 : 1;
        return count;
    }

    private static long Largest(Tensor told)
    {
        var largest = 0.0;
        foreach (var places in HostMemory.Of<double>(Contiguous(told)))
            largest = Math.Max(largest, places);
        return (long)largest;
    }

    private static ReadOnlySpan<bool> Flags(Tensor? flags) => flags is null ? [] : HostMemory.Of<bool>(Contiguous(flags));

    private static Tensor Contiguous(Tensor tensor) => tensor.is_contiguous() ? tensor : tensor.contiguous();
}
