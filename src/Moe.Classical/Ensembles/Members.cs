using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What all ensembles do with the experts inside them.</summary>
internal static class Members
{
    /// <summary>At least one, none null, all of the same widths.</summary>
    public static IExpert[] Require(IEnumerable<IExpert> members, string name)
    {
        ArgumentNullException.ThrowIfNull(members, name);
        IExpert[] all = [.. members];
        if (all.Length == 0)
            throw new ArgumentException("Expected at least 1 expert, got none.", name);
        for (var member = 0; member < all.Length; member++)
        {
            ArgumentNullException.ThrowIfNull(all[member], name);
            if (all[member].InputWidth != all[0].InputWidth || all[member].OutputWidth != all[0].OutputWidth)
                throw new ArgumentException($"Expected experts that map {all[0].InputWidth} columns to {all[0].OutputWidth}, as the first does; expert {member} maps {all[member].InputWidth} to {all[member].OutputWidth}.", name);
        }
        return all;
    }

    /// <summary>At least one learner, none null.</summary>
    public static IExpertLearner[] Require(IEnumerable<IExpertLearner> learners, string name)
    {
        ArgumentNullException.ThrowIfNull(learners, name);
        IExpertLearner[] all = [.. learners];
        if (all.Length == 0)
            throw new ArgumentException("Expected at least 1 learner, got none.", name);
        foreach (var learner in all)
            ArgumentNullException.ThrowIfNull(learner, name);
        return all;
    }

    /// <summary>How many single experts answer one row.</summary>
    public static double Evaluations(IExpert expert) => expert is ICompositeExpert composite ? composite.EvaluationsPerPrediction : 1;

    /// <summary>Fits every learner to all rows, some at once; each draws from a seed of its own.</summary>
    public static IExpert[] Fit(IExpertLearner[] learners, FitData data, FitContext context, int atOnce)
    {
        var experts = new IExpert[learners.Length];
        ParallelRuns.Run(learners.Length, atOnce, number => experts[number] = FitOne(learners[number], data, context, number), context.CancellationToken);
        return experts;
    }

    /// <summary>Fits one learner to all rows.</summary>
    public static IExpert FitOne(IExpertLearner learner, FitData data, FitContext context, int number)
    {
        if (!learner.Takes(data.Response.Kind))
            throw new ArgumentException($"Learner \"{learner.Name}\" does not take a response of kind {data.Response.Kind}.", nameof(learner));
        return ExpertAnswers.Checked(ResampledFit.Fit(learner, data, context with { Previous = null, Seed = Seed(context.Seed, number) }), data, learner.Name);
    }

    /// <summary>A seed for each of many fits, which no other fit of the same run has.</summary>
    public static long Seed(long seed, int number) => unchecked(seed + (number * 0x632BE59BD9B4E019L));

    /// <summary>Σ wₘ fₘ(x) of each row, in the caller's scope.</summary>
    public static Tensor Sum(IReadOnlyList<IExpert> members, ReadOnlySpan<double> weights, Tensor rows)
    {
        var sum = zeros(rows.size(0), members[0].OutputWidth, dtype: ScalarType.Float64, device: CPU);
        var target = HostMemory.Of<double>(sum);
        for (var member = 0; member < members.Count; member++)
        {
            using var answer = ExpertAnswers.Of(members[member], rows);
            var values = HostMemory.Of<double>(answer);
            for (var place = 0; place < values.Length; place++)
                target[place] += weights[member] * values[place];
        }
        return sum;
    }

    /// <summary>Adds experts to a state, and how many they are.</summary>
    /// <exception cref="NotSupportedException">One of them cannot be stored.</exception>
    public static ExpertState Store(ExpertState state, IReadOnlyList<IExpert> members)
    {
        state.Set("members", members.Count);
        for (var member = 0; member < members.Count; member++)
            state.Add(Name(member), Stored(members[member]));
        return state;
    }

    /// <summary>The state of any expert.</summary>
    /// <exception cref="NotSupportedException">It cannot be stored.</exception>
    public static ExpertState Stored(IExpert expert) => expert is IStoredExpert stored
        ? stored.ToState()
        : throw new NotSupportedException($"An expert of type {expert.GetType().Name} cannot be stored: it is no {nameof(IStoredExpert)}.");

    /// <summary>The experts that <see cref="Store"/> added.</summary>
    public static IExpert[] Read(ExpertState state)
    {
        var experts = new List<IExpert>();
        for (var (member, count) = (0, state.Get<int>("members")); member < count; member++)
            experts.Add(StoredExperts.Read(state.Child(Name(member))));
        return [.. experts];
    }

    private static string Name(int member) => string.Create(CultureInfo.InvariantCulture, $"member-{member}");
}
