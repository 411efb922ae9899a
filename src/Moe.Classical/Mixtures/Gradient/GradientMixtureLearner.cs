using System.Diagnostics;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Trains gate and network experts of a mixture together by gradients (Jacobs et al. 1991), beside experts that gradients cannot train.</summary>
/// <remarks>
/// <para>Members with a <see cref="NetworkLearner"/> are trained by the gradient of the mixture's loss: their networks are those of the learner's factory, its other options are not
/// used. All other members are constants to the gradient, which trains the gate to ask them: fixed experts are asked once, learners are refitted to the rows weighted by their
/// responsibilities every <see cref="GradientOptions.RefitEvery"/> epochs, and judged out of fold where they could repeat their own rows.</para>
/// <para>Inputs, and real responses, are standardised inside; normal noise has a standard deviation of its own for each expert, which is trained with the rest. Other noise of members
/// that gradients do not train is fitted with their refits. Rows of weight 0 are left out; only the ratios of weights count.</para>
/// <para>The same seed gives the same mixture, as far as the networks do not draw as they run. Immutable.</para>
/// </remarks>
public sealed class GradientMixtureLearner : IExpertLearner
{
    /// <summary>A mixture.</summary>
    /// <param name="members">The experts, at least one, each of another name.</param>
    /// <param name="options">How to train; null for the defaults.</param>
    /// <param name="gate">The gate; null for <see cref="GradientGate.Linear"/>.</param>
    /// <param name="gateColumns">The columns of the rows that the gate sees; null for all.</param>
    /// <exception cref="ArgumentException">
    /// An option is out of its range, members do not go together, the tree is of another number of experts, a network has other than the usual noise, or a learner that can repeat its own
    /// rows is to be judged by a density of its own.
    /// </exception>
    public GradientMixtureLearner(IReadOnlyList<MixtureMember> members, GradientOptions? options = null, GradientGate? gate = null, IReadOnlyList<int>? gateColumns = null)
    {
        ArgumentNullException.ThrowIfNull(members);
        Options = options ?? new GradientOptions();
        Options.Validate(nameof(options));
        (Members, Gate, GateColumns) = ([.. members], gate ?? GradientGate.Linear, gateColumns is null ? null : [.. gateColumns]);
        MemberRules.Require(Members, new EmOptions(), nameof(members));
        if (Gate.Tree is { } tree && tree.Leaves.Count() != Members.Count)
            throw new ArgumentException($"The tree {tree} has {tree.Leaves.Count()} experts; the mixture has {Members.Count}.", nameof(gate));
        foreach (var member in Members)
        {
            if (member.Learner is NetworkLearner && (member.OwnDensity || member.Noise is not (null or GaussianNoiseFamily)))
                throw new ArgumentException($"Member \"{member.Name}\" is a network, which is trained with the usual noise; it has OwnDensity or other Noise.", nameof(members));
            if (member is { OwnDensity: true, Learner.OverfitsOwnRows: true })
                throw new ArgumentException($"Member \"{member.Name}\" ({member.Learner.Name}) can repeat its own rows; it cannot be judged by OwnDensity here.", nameof(members));
        }
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<MixtureMember> Members { get; }

    /// <summary>How it is trained.</summary>
    public GradientOptions Options { get; }

    /// <summary>The gate.</summary>
    public GradientGate Gate { get; }

    /// <summary>The columns of the rows that the gate sees; null for all.</summary>
    public IReadOnlyList<int>? GateColumns { get; }

    /// <inheritdoc/>
    public string Name => "gradient mixture";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => Members.Any(member => member.Learner is { OverfitsOwnRows: true });

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => (Options.Loss == GradientLoss.Likelihood || kind is ResponseKind.Real or ResponseKind.Class)
        && Members.All(member => member.Learner?.Takes(kind) != false && (member.OwnDensity || (member.Noise ?? NoiseFamilies.DefaultFor(kind)).Takes(kind)));

    /// <summary>Trains a mixture.</summary>
    /// <param name="data">Rows; weights count everywhere.</param>
    /// <param name="context">Seed (added to that of the options), cancellation. Null for none.</param>
    /// <param name="progress">Told each epoch, from the calling thread.</param>
    /// <returns>The mixture, without a <see cref="FittedMixture.Report"/>, and how it was trained. Its tensors are its own.</returns>
    /// <exception cref="ArgumentException">The rows cannot be fitted: fewer than experts, of a kind that a member or the loss does not take; or the loss is not finite any more.</exception>
    /// <exception cref="OperationCanceledException">The fit was cancelled.</exception>
    public GradientFit Fit(FitData data, FitContext? context = null, IProgress<GradientProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        context ??= FitContext.Default;
        context.CancellationToken.ThrowIfCancellationRequested();
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"The loss {Options.Loss} does not take responses of kind {data.Response.Kind}.", nameof(data));
        var clock = Stopwatch.StartNew();
        using var scope = NewDisposeScope();
        using var gradients = enable_grad();
        MemberRules.Require(new MixtureLearner(Members, new EmOptions { Judge = Judge.InSample }, gateColumns: GateColumns), data);
        var options = Options with { Seed = unchecked(Options.Seed + (context.Seed * 1_000_003)) };
        var model = Start(data, options, out var rows);
        try
        {
            if (rows.Trained.Length < options.Folds && model.Parts.Any(part => part.IsOutOfFold))
                throw new ArgumentException($"{options.Folds} folds cannot be made of {rows.Trained.Length} rows; Folds must be at most the number of rows with weight that are trained on.", nameof(data));
            var trace = new GradientRun(model, rows, options, progress, context.CancellationToken).Run();
            var report = GradientReport.Of(model, rows, options, trace);
            return new GradientFit(Finish(model, data), report with { Seconds = clock.Elapsed.TotalSeconds });
        }
        catch
        {
            model.DisposeNetworks();
            throw;
        }
    }

    IExpert IExpertLearner.Fit(FitData data, FitContext context) => Fit(data, context).Mixture;

    /// <summary>The model before training. Its tensors belong to the caller's dispose scope, but for those of networks.</summary>
    internal GradientModel Start(FitData data, GradientOptions options, out GradientRows rows)
    {
        var prepared = rows = new GradientRows(data, GateColumns, options.ValidationShare, options.Seed);
        var gate = new GradientGateModel(Gate, rows.GateScales, Members.Count, Classical.Members.Seed(options.Seed, 4));
        return new GradientModel(rows, gate, [.. Members.Select((member, place) => new GradientPart(member, place, prepared, options, options.Seed))], options);
    }

    private FittedMixture Finish(GradientModel model, FitData data)
    {
        using var all = tensor(Enumerable.Range(0, (int)data.Rows).Select(row => (long)row).ToArray());
        var shares = model.Shares(all);
        var components = model.Parts.Select((part, expert) =>
        {
            var own = new double[data.Rows];
            for (var row = 0; row < own.Length; row++)
                own[row] = shares[(row * Members.Count) + expert];
            return part.Finish(own, sigmaIsTrained: !model.IsBlended);
        });
        return new FittedMixture([.. components], model.Gate.Finish(), GateColumns, data.Response.Kind, data.Response.Classes, data.Width);
    }
}
