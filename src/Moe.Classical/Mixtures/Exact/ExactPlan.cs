using System.Diagnostics;
using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Mixtures of linear models and GLMs without penalties under a softmax or constant gate, judged in sample: maximum likelihood in arrays.</summary>
internal sealed class ExactPlan : MixturePlan
{
    private readonly ExactRows _rows;
    private readonly StandardTerms _gateTerms;
    private readonly List<(ExactFamily Family, StandardTerms Terms)> _parts = [];
    private readonly double _floor;
    private readonly double _ridge;
    private readonly bool _isConstant;

    private ExactPlan(MixtureLearner learner, EmOptions options, FitData data, ExactRows rows)
        : base(learner, options, data, rows.Weights)
    {
        _rows = rows;
        _isConstant = learner.Gate is ConstantGateLearner;
        _ridge = learner.Gate is SoftmaxGateLearner softmax ? softmax.Options.Ridge : _isConstant ? 0 : options.GateRidge ?? 0;
        _floor = rows.FloorOf(options.SigmaFloor);
        var views = new Dictionary<string, StandardTerms>();
        StandardTerms View(IReadOnlyList<int>? columns)
        {
            var key = columns is null ? "all" : string.Join(",", columns);
            return views.TryGetValue(key, out var terms) ? terms : views[key] = new StandardTerms(HostMemory.Of<double>(data.Inputs), (int)data.Width, columns, rows.Weights, combinations: false);
        }
        _gateTerms = View(_isConstant ? [] : learner.GateColumns);
        foreach (var member in learner.Members)
            _parts.Add((FamilyOf(member, data.Response.Kind)!.Value, View(member.Columns)));
    }

    /// <inheritdoc/>
    public override int Starts => 20;

    /// <inheritdoc/>
    public override int Candidates => 8;

    /// <inheritdoc/>
    /// <remarks>Lines with a gate between them are found from regions where they are found at all; from labels they are often not.</remarks>
    public override IReadOnlyList<StartKind> Turns { get; } =
    [
        StartKind.Regions, StartKind.KMeans, StartKind.Regions, StartKind.RandomLabels, StartKind.Regions, StartKind.KMeans, StartKind.Regions, StartKind.Dirichlet,
    ];

    /// <summary>The plan; null if some step of the fit would be another than exact.</summary>
    public static ExactPlan? Of(MixtureLearner learner, EmOptions options, FitData data)
    {
        var kind = data.Response.Kind;
        var isExact = learner.Gate is null or SoftmaxGateLearner or ConstantGateLearner
            && options.Judge != Judge.OutOfFold
            && learner.Members.All(member => FamilyOf(member, kind) is not null);
        return isExact ? new ExactPlan(learner, options, data, new ExactRows(data)) : null;
    }

    /// <inheritdoc/>
    public override EmModel NewModel(int start) => new ExactMixture(_rows, _gateTerms, _parts, _floor, Options.SharedSigma, _ridge * _rows.Total);

    /// <inheritdoc/>
    public override FittedMixture Finish(EmRun run, StartSearch search, Stopwatch clock, CancellationToken cancellation)
    {
        var mixture = (ExactMixture)run.Model;
        var polished = Options.Polish && mixture.FloorHits == 0 ? ExactPolish.Run(mixture, cancellation) : default((int Steps, bool Converged)?);
        if (Options.Order == ExpertOrder.Intercept)
            mixture.Reorder(Order(mixture));
        var shares = new double[_rows.Values.Length * mixture.Experts];
        mixture.Expect(shares);
        var components = Components(mixture, shares, cancellation);
        var logLikelihood = mixture.Expect(shares);
        var gate = GateOf(mixture);
        var information = new ObservedInformation(mixture);
        var report = ReportOf(run, search, [.. components.Select(component => component.Name)], shares, logLikelihood, information.Size);
        var (status, reason) = run.Status != EmStatus.Degenerate && polished is { Converged: true }
            ? (EmStatus.Converged, "the gradient of the log-likelihood vanishes")
            : (run.Status, run.Reason);
        return new FittedMixture(components, gate, Learner.GateColumns, Data.Response.Kind, inputWidth: Data.Width)
        {
            Report = report with
            {
                Status = status,
                Reason = reason,
                Converged = status is EmStatus.Converged or EmStatus.Degenerate,
                PolishSteps = polished?.Steps,
                GateRidge = _isConstant ? null : _ridge,
                Separation = !_isConstant && _ridge == 0 && mixture.Gate.Separates(_rows.Weights),
                Table = ExactTable.Of(mixture, information, [.. components.Select(component => component.Name)], TermNames),
                Seconds = clock.Elapsed.TotalSeconds,
            },
        };
    }

    /// <summary>The distribution of a member; null if its fit is another than maximum likelihood of a GLM with intercept.</summary>
    private static ExactFamily? FamilyOf(MixtureMember member, ResponseKind kind) => (kind, member) switch
    {
        (_, { OwnDensity: true }) => null,
        (ResponseKind.Real, { Learner: LinearLearner { Options: { Ridge: 0, Intercept: true } }, Noise: null or GaussianNoiseFamily }) => ExactFamily.Gaussian,
        (ResponseKind.Count, { Learner: GlmLearner { Family: GlmFamily.Poisson, Options: { Ridge: 0, Intercept: true } }, Noise: null }) => ExactFamily.Poisson,
        (ResponseKind.Trials, { Learner: GlmLearner { Family: GlmFamily.Binomial, Options: { Ridge: 0, Intercept: true } }, Noise: null }) => ExactFamily.Binomial,
        _ => null,
    };

    /// <summary>The experts, fitted once more by their learners to the last responsibilities, which is one more M-step; the mixture takes their coefficients over.</summary>
    private MixtureComponent[] Components(ExactMixture mixture, double[] shares, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var plain = Data.WithWeights(null);
        var components = new MixtureComponent[mixture.Experts];
        for (var place = 0; place < components.Length; place++)
        {
            var part = mixture.Parts[place];
            var member = Learner.Members[mixture.Members[place]];
            var weights = new double[_rows.Values.Length];
            for (var row = 0; row < weights.Length; row++)
                weights[row] = _rows.Weights[row] * shares[(row * components.Length) + place];
            using var inner = NewDisposeScope();
            var view = member.Columns is null ? plain : plain.SelectColumns(member.Columns);
            var raw = part.Terms.ToRaw(part.Coefficients);
            var previous = member.Learner is GlmLearner glm && raw.Length > 1 ? new GeneralizedLinearModel(glm.Family, raw, new double[raw.Length]) : null;
            var expert = member.Learner!.Fit(view.WithWeights(tensor(weights)), new FitContext { Previous = previous, CancellationToken = cancellation });
            part.Terms.FromRaw([.. expert is LinearModel linear ? linear.Coefficients : ((GeneralizedLinearModel)expert).Coefficients], part.Coefficients);
            part.Evaluate();
            NoiseModel noise = part.Family switch
            {
                ExactFamily.Gaussian => new GaussianNoise(part.Sigma),
                ExactFamily.Poisson => new PoissonNoise(double.Epsilon),
                _ => new BinomialNoise(1e-16),
            };
            components[place] = new MixtureComponent(member.Name, expert, noise, member.Columns);
        }
        return components;
    }

    private IGate GateOf(ExactMixture mixture)
    {
        if (!_isConstant)
            return SoftmaxGateLearner.GateOf(mixture.Gate);
        return new ConstantGate(mixture.Gate.Probability[..mixture.Experts], Learner.GateColumns?.Count ?? Data.Width);
    }

    /// <summary>Among members that are alike, those with smaller intercepts first.</summary>
    private int[] Order(ExactMixture mixture)
    {
        var order = Enumerable.Range(0, mixture.Experts).ToArray();
        var intercepts = Array.ConvertAll(order, place => mixture.Parts[place].Terms.ToRaw(mixture.Parts[place].Coefficients)[0]);
        foreach (var alike in order.GroupBy(place => KeyOf(Learner.Members[mixture.Members[place]])).ToArray())
        {
            var places = alike.ToArray();
            var sorted = places.OrderBy(place => intercepts[place]).ToArray();
            for (var rank = 0; rank < places.Length; rank++)
                order[places[rank]] = sorted[rank];
        }
        return order;
    }

    private static (IExpertLearner Learner, string Columns) KeyOf(MixtureMember member) =>
        (member.Learner!, member.Columns is null ? "all" : string.Join(",", member.Columns));

    /// <summary>The names of the terms that a view keeps; the gate's where <paramref name="member"/> is null.</summary>
    private IEnumerable<string> TermNames(StandardTerms terms, int? member)
    {
        var columns = member is { } place ? Learner.Members[place].Columns : _isConstant ? [] : Learner.GateColumns;
        foreach (var term in terms.RawPlaces)
        {
            var column = term == 0 ? -1 : columns is null ? term - 1 : columns[term - 1];
            yield return column < 0 ? "(intercept)" : Options.ColumnNames?[column] ?? string.Create(CultureInfo.InvariantCulture, $"x{column + 1}");
        }
    }
}
