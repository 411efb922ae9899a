using System.Diagnostics;

namespace Moe.Classical;

/// <summary>Mixtures of experts of any kind.</summary>
internal sealed class GeneralPlan : MixturePlan
{
    private readonly MixtureRows _rows;
    private readonly StandardTerms? _gateTerms;
    private readonly IGateLearner? _gate;

    public GeneralPlan(MixtureLearner learner, EmOptions options, FitData data)
        : this(learner, options, data, new MixtureRows(data, learner.Members, learner.GateColumns, options, GeneralPart.NeedsFolds(learner)))
    {
    }

    private GeneralPlan(MixtureLearner learner, EmOptions options, FitData data, MixtureRows rows)
        : base(learner, options, data, rows.Weights)
    {
        _rows = rows;
        _gate = learner.Gate;
        _gateTerms = _gate is null ? SoftmaxGateLearner.TermsOf(rows.Gate, rows.Weights) : null;
    }

    /// <inheritdoc/>
    public override int Starts => 4;

    /// <inheritdoc/>
    public override int Candidates => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<StartKind> Turns { get; } = [StartKind.Regions, StartKind.KMeans, StartKind.RandomLabels, StartKind.Dirichlet];

    /// <inheritdoc/>
    public override EmModel NewModel(int start) => new GeneralMixture(_rows, Learner.Members, Options, _gate, _gateTerms, start, FitsAtOnce);

    /// <inheritdoc/>
    public override FittedMixture Finish(EmRun run, StartSearch search, Stopwatch clock, CancellationToken cancellation)
    {
        var model = (GeneralMixture)run.Model;
        var experts = model.Experts;
        var components = model.Finish(run.FittedShares!, cancellation);
        var report = ReportOf(run, search, [.. components.Select(component => component.Name)], run.Shares, run.LogLikelihood, null);
        var gate = model.GateNow();
        var freedom = components.Aggregate(gate.DegreesOfFreedom, (sum, component) => sum + component.DegreesOfFreedom);
        var separated = _gateTerms is not null && model.Ridge == 0 && gate is SoftmaxGate softmax && Separates(_gateTerms, softmax);
        return new FittedMixture(components, gate, Learner.GateColumns, Data.Response.Kind, Data.Response.Classes, Data.Width)
        {
            Report = report with
            {
                OutOfFold = model.IsHonest,
                DegreesOfFreedom = Options.SharedSigma ? freedom - (experts - 1) : freedom,
                GateRidge = _gate is null ? model.Ridge : (_gate as SoftmaxGateLearner)?.Options.Ridge,
                Separation = separated,
                Seconds = clock.Elapsed.TotalSeconds,
            },
        };
    }
    private bool Separates(StandardTerms terms, SoftmaxGate gate)
    {
        var regression = new SoftmaxRegression(terms, gate.Experts);
        SoftmaxGateLearner.StartFrom(regression, gate);
        return regression.Separates(Weights);
    }
}
