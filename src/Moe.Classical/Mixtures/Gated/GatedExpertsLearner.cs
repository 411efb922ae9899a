using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a gate over experts that are fixed, or fitted first, by what they say of rows that they have not seen.</summary>
/// <remarks>
/// <para>
/// Each learner is fitted in folds (<see cref="CrossFit"/>) and asked for the rows that it did not see; noise and temperatures are fitted to these answers together with a
/// gate, by EM, so that an expert that knows only some rows is calibrated by these; then the gate is fitted by one of three losses (<see cref="GatedLoss"/>; Jacobs et al. 1991). Then each learner is fitted to all rows. A gate that is fitted to answers to seen rows trusts experts that repeat
/// their rows.
/// </para>
/// <para>Experts do not depend on the gate here, unlike those of a <see cref="MixtureLearner"/>, whose start can be the responsibilities of the report.</para>
/// </remarks>
public sealed class GatedExpertsLearner : IExpertLearner
{
    /// <summary>A gate over experts.</summary>
    /// <param name="members">The experts, at least one, each of another name: learners, or fixed experts.</param>
    /// <param name="options">How the gate is fitted; null for the defaults.</param>
    /// <param name="gate">The gate's learner, which is fitted by EM; null for a softmax gate. Only with <see cref="GatedLoss.MixtureLikelihood"/>.</param>
    /// <param name="gateColumns">The columns of the rows that the gate sees; null for all.</param>
    /// <exception cref="ArgumentException">Members or options do not go together; the message says why.</exception>
    public GatedExpertsLearner(IReadOnlyList<MixtureMember> members, GatedExpertsOptions? options = null, IGateLearner? gate = null, IReadOnlyList<int>? gateColumns = null)
    {
        ArgumentNullException.ThrowIfNull(members);
        Options = options ?? new GatedExpertsOptions();
        Options.Validate(nameof(options));
        (Members, Gate, GateColumns) = ([.. members], gate, gateColumns is null ? null : [.. gateColumns]);
        MemberRules.Require(Members, new EmOptions(), nameof(members));
        if (gate is not null && Options.Loss != GatedLoss.MixtureLikelihood)
            throw new ArgumentException($"A gate with a learner of its own wants Loss to be {GatedLoss.MixtureLikelihood}, which is {Options.Loss}.", nameof(gate));
        if (Options.Prices is { } prices && prices.Count != Members.Count)
            throw new ArgumentException($"Expected {Members.Count} Prices, one a member, got {prices.Count}.", nameof(options));
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<MixtureMember> Members { get; }

    /// <summary>How the gate is fitted.</summary>
    public GatedExpertsOptions Options { get; }

    /// <summary>The gate's learner; null for a softmax gate.</summary>
    public IGateLearner? Gate { get; }

    /// <summary>The columns of the rows that the gate sees; null for all.</summary>
    public IReadOnlyList<int>? GateColumns { get; }

    /// <inheritdoc/>
    public string Name => "gated experts";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => Members.Any(member => member.Learner is { OverfitsOwnRows: true });

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) =>
        Members.All(member => member.Learner?.Takes(kind) != false && (member.OwnDensity || (member.Noise ?? NoiseFamilies.DefaultFor(kind)).Takes(kind)));

    /// <summary>Fits experts and gate.</summary>
    /// <param name="data">Rows. Those of weight 0 are left out.</param>
    /// <param name="context">Seed (added to that of the options) and cancellation; null for none.</param>
    /// <param name="outOfFold">
    /// By a member's name, its answers [n, Dout] to the rows by experts that did not see them: such a member is not asked, nor fitted in folds. Not for members with their own
    /// density. Null for none.
    /// </param>
    /// <param name="costs">
    /// c, [n, K], finite: what each expert costs on each row, only with <see cref="GatedLoss.ExpectedCost"/>. Null for the squared error of real numbers and -log p(y) of other
    /// responses. <see cref="GatedExpertsOptions.Prices"/> are added.
    /// </param>
    /// <returns>The mixture and how it was fitted. Its tensors are its own; fixed experts stay the caller's.</returns>
    /// <exception cref="ArgumentException">The rows cannot be fitted, or something given does not fit them; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The fit was cancelled.</exception>
    public GatedExpertsFit Fit(FitData data, FitContext? context = null, IReadOnlyDictionary<string, Tensor>? outOfFold = null, Tensor? costs = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        context ??= FitContext.Default;
        context.CancellationToken.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        GatedRules.Require(this, data, outOfFold, costs);
        return new GatedRun(this, data, context).Fit(outOfFold, costs);
    }

    IExpert IExpertLearner.Fit(FitData data, FitContext context) => Fit(data, context).Mixture;
}
