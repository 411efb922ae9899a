using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits one learner many times to rows drawn with replacement, each as probable as its weight, and averages (Breiman 1996).</summary>
/// <remarks>As many rows are drawn as have a weight above 0. A learner that takes weights gets each drawn row once, with its number of draws as the weight.</remarks>
public sealed class BaggingLearner : IExpertLearner
{
    /// <summary>A bag of one learner.</summary>
    /// <param name="learner">What is fitted.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    public BaggingLearner(IExpertLearner learner, BaggingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(learner);
        Options = options ?? new BaggingOptions();
        Options.Validate(nameof(options));
        Learner = learner;
    }

    /// <summary>What is fitted.</summary>
    public IExpertLearner Learner { get; }

    /// <summary>How.</summary>
    public BaggingOptions Options { get; }

    /// <inheritdoc/>
    public string Name => $"bagging of {Learner.Name}";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => Learner.OverfitsOwnRows;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => Learner.Takes(kind);

    /// <summary>Fits a <see cref="Bagging"/>.</summary>
    /// <exception cref="ArgumentException">The learner refuses drawn rows; the message says why.</exception>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        using var scope = NewDisposeScope();
        var width = data.Response.Width;
        var experts = new IExpert[Options.Members];
        var outside = new long[Options.Members][];
        var answers = new double[Options.Members][];
        ParallelRuns.Run(
            Options.Members,
            Options.FitsAtOnce,
            member =>
            {
                using var inner = NewDisposeScope();
                var seed = Members.Seed(context.Seed, member);
                var counts = Draw(data, seed);
                experts[member] = ExpertAnswers.Checked(Learner.Fit(Drawn(data, counts), context with { Previous = null, Seed = seed }), data, Learner.Name);
                outside[member] = [.. Enumerable.Range(0, counts.Length).Where(row => counts[row] == 0).Select(row => (long)row)];
                answers[member] = outside[member].Length == 0
                    ? []
                    : HostMemory.Of<double>(ExpertAnswers.Of(experts[member], data.Inputs.index_select(0, tensor(outside[member])))).ToArray();
            },
            context.CancellationToken);

        // Added in order, so that sums do not depend on which fit ended first.
        var means = new OutOfBagMeans(data.Rows, width);
        for (var member = 0; member < experts.Length; member++)
            means.Add(outside[member], answers[member]);
        return new Bagging(experts, means.Means(data).DetachFromDisposeScope());
    }

    /// <summary>How often each row is drawn.</summary>
    private static int[] Draw(FitData data, long seed)
    {
        var cumulated = new double[data.Rows];
        var (sum, rows) = (0.0, 0);
        for (var row = 0; row < cumulated.Length; row++)
        {
            var weight = data.Weights is { } weights ? HostMemory.Of<double>(weights)[row] : 1;
            rows += weight > 0 ? 1 : 0;
            cumulated[row] = sum += weight;
        }
        var counts = new int[cumulated.Length];
        var draws = new DrawSequence(seed);
        for (var draw = 0; draw < rows; draw++)
        {
            // The first row whose cumulated weight is above the draw: never one of weight 0.
            var (low, high, target) = (0, cumulated.Length - 1, draws.Uniform() * sum);
            while (low < high)
            {
                var middle = (low + high) / 2;
                (low, high) = cumulated[middle] > target ? (low, middle) : (middle + 1, high);
            }
            counts[low]++;
        }
        return counts;
    }

    private FitData Drawn(FitData data, int[] counts)
    {
        var native = Learner.Weights == WeightSupport.Native;
        var rows = new List<long>(counts.Length);
        var times = new List<double>(counts.Length);
        for (var row = 0; row < counts.Length; row++)
        {
            for (var time = 0; time < (native ? Math.Min(counts[row], 1) : counts[row]); time++)
            {
                rows.Add(row);
                times.Add(counts[row]);
            }
        }
        var drawn = data.WithWeights(null).Select(tensor(rows.ToArray()));
        return native ? drawn.WithWeights(tensor(times.ToArray())) : drawn;
    }
}
