using System.Diagnostics;
using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits mixtures of experts by EM (Jacobs et al. 1991; Jordan and Jacobs 1994).</summary>
/// <remarks>
/// <para>E-step: each expert's responsibility for each row, rᵢₖ = gₖ(xᵢ) pₖ(yᵢ) / Σ g p, in log space. M-step: each expert is fitted to the rows weighted by its
/// responsibilities, its noise to what is left over, the gate to the responsibilities. A row that no expert makes possible goes by the gate, and is counted.</para>
/// <para>Where every member is a linear model or GLM without a penalty, under a softmax or constant gate, and judged in sample, all steps are exact maximum likelihood:
/// the log-likelihood never falls, which is checked at each step, and Newton steps on the log-likelihood itself end the fit. Other members are refitted by their learners;
/// those that can come close to repeating their own rows are judged out of fold (<see cref="EmOptions.Judge"/>), and the best iterate is kept.</para>
/// <para>Of several starts the one with the greatest log-likelihood is kept; starts in which noise is at its floor or experts were dropped count for less than all
/// others. Immutable; the same seed gives the same mixture, on however many threads.</para>
/// </remarks>
public sealed class MixtureLearner : IExpertLearner
{
    /// <summary>A mixture.</summary>
    /// <param name="members">The experts, at least one, each of another name.</param>
    /// <param name="options">How to fit; null for the defaults.</param>
    /// <param name="gate">The gate's learner; null for a softmax gate with the ridge of the options.</param>
    /// <param name="gateColumns">The columns of the rows that the gate sees; null for all.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or members do not go together.</exception>
    public MixtureLearner(IReadOnlyList<MixtureMember> members, EmOptions? options = null, IGateLearner? gate = null, IReadOnlyList<int>? gateColumns = null)
    {
        ArgumentNullException.ThrowIfNull(members);
        Options = options ?? new EmOptions();
        Options.Validate(nameof(options));
        (Members, Gate, GateColumns) = ([.. members], gate, gateColumns is null ? null : [.. gateColumns]);
        MemberRules.Require(Members, Options, nameof(members));
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<MixtureMember> Members { get; }

    /// <summary>How it is fitted.</summary>
    public EmOptions Options { get; }

    /// <summary>The gate's learner; null for a softmax gate with the ridge of the options.</summary>
    public IGateLearner? Gate { get; }

    /// <summary>The columns of the rows that the gate sees; null for all.</summary>
    public IReadOnlyList<int>? GateColumns { get; }

    /// <inheritdoc/>
    public string Name => "mixture";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => Members.Any(member => member.Learner is { OverfitsOwnRows: true });

    /// <summary>A mixture of experts that are alike, called "expert 1" to "expert K".</summary>
    /// <param name="experts">K, at least 1.</param>
    /// <param name="learner">How to fit each.</param>
    /// <param name="options">How to fit the mixture; null for the defaults.</param>
    /// <param name="gate">The gate's learner; null for a softmax gate with the ridge of the options.</param>
    /// <param name="gateColumns">The columns that the gate sees; null for all.</param>
    /// <param name="columns">The columns that each expert sees; null for all.</param>
    public static MixtureLearner Alike(int experts, IExpertLearner learner, EmOptions? options = null, IGateLearner? gate = null, IReadOnlyList<int>? gateColumns = null, IReadOnlyList<int>? columns = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, 1);
        var members = Enumerable.Range(1, experts).Select(expert => new MixtureMember(string.Create(CultureInfo.InvariantCulture, $"expert {expert}"), learner) { Columns = columns });
        return new MixtureLearner([.. members], options, gate, gateColumns);
    }

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) =>
        Members.All(member => member.Learner?.Takes(kind) != false && (member.OwnDensity || (member.Noise ?? NoiseFamilies.DefaultFor(kind)).Takes(kind)));

    /// <summary>Fits a mixture.</summary>
    /// <param name="data">Rows; weights count everywhere, the choice of a start included.</param>
    /// <param name="context">
    /// Seed (added to that of the options), cancellation, and as the previous fit a <see cref="FittedMixture"/> of as many experts, whose responsibilities are then the only
    /// start. Null for none.
    /// </param>
    /// <param name="responsibilities">The only start: [n, K], at least 0, each row's sum above 0. Null for starts that are drawn.</param>
    /// <param name="progress">Told each iteration, from the threads that the starts run on.</param>
    /// <returns>The mixture, with its <see cref="FittedMixture.Report"/>. Its tensors are its own.</returns>
    /// <exception cref="ArgumentException">The rows cannot be fitted: fewer than experts, of a kind that a member does not take, or no start came to anything; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The fit was cancelled.</exception>
    public FittedMixture Fit(FitData data, FitContext? context = null, Tensor? responsibilities = null, IProgress<EmProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        context ??= FitContext.Default;
        context.CancellationToken.ThrowIfCancellationRequested();
        var clock = Stopwatch.StartNew();
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        MemberRules.Require(this, data);
        var start = StartOf(data, context, responsibilities);
        // Rows without weight would still move the starts.
        data = data.Counting(out var counting);
        if (start is not null && counting is not null)
            start = [.. counting.SelectMany(row => start.Skip((int)row * Members.Count).Take(Members.Count))];
        var options = Options with { Seed = unchecked(Options.Seed + (context.Seed * 1_000_003)) };
        var plan = MixturePlan.For(this, options, data);
        var search = new StartSearch(plan, options, start, progress);
        return plan.Finish(search.Run(context.CancellationToken), search, clock, context.CancellationToken);
    }

    IExpert IExpertLearner.Fit(FitData data, FitContext context) => Fit(data, context);

    private double[]? StartOf(FitData data, FitContext context, Tensor? responsibilities)
    {
        if (responsibilities is null)
        {
            if (context.Previous is not FittedMixture previous || previous.Components.Count != Members.Count || previous.InputWidth != data.Width
                || previous.Kind != data.Response.Kind || previous.Classes != data.Response.Classes)
            {
                return null;
            }
            using var shares = previous.Responsibilities(data.Inputs, data.Response);
            return HostMemory.Of<double>(shares).ToArray();
        }
        using var scope = NewDisposeScope();
        var given = DataGuard.Rows(responsibilities, Members.Count, nameof(responsibilities));
        if (given.size(0) != data.Rows)
            throw new ArgumentException($"Expected responsibilities of shape [{data.Rows}, {Members.Count}], got [{given.size(0)}, {given.size(1)}].", nameof(responsibilities));
        var start = HostMemory.Of<double>(given).ToArray();
        for (var row = 0; row < data.Rows; row++)
        {
            var own = start.AsSpan(row * Members.Count, Members.Count);
            var sum = 0.0;
            foreach (var share in own)
                sum += share >= 0 ? share : throw new ArgumentException($"Row {row} of {nameof(responsibilities)} has {share.ToString(CultureInfo.InvariantCulture)}; shares must be at least 0.", nameof(responsibilities));
            if (!(sum > 0))
                throw new ArgumentException($"Row {row} of {nameof(responsibilities)} has a sum of {sum.ToString(CultureInfo.InvariantCulture)}; it must be above 0.", nameof(responsibilities));
            for (var expert = 0; expert < own.Length; expert++)
                own[expert] /= sum;
        }
        return start;
    }
}
