using Moe.Classical;
using static TorchSharp.torch;

namespace MixtureOfRegressions;

/// <summary>A fitted mixture, with the rows it was fitted to.</summary>
internal sealed record Fit(FittedMixture Mixture, FitData Data, IReadOnlyList<string> Terms, IReadOnlyList<string> GateTerms)
{
    // As the report calls them.
    private const string Intercept = "(intercept)";
    private const string LogSigma = "log(sigma)";

    public static Fit Run(Settings settings, Table table, CancellationToken cancellationToken)
    {
        // One matrix for both: a term that experts and gate see is there once. Without any term a column of zeros stands in, which every model leaves out.
        string[] names = [.. settings.Terms.Union(settings.GateTerms)];
        var needsZeros = settings.Terms.Count == 0 || settings.GateTerms.Count == 0;
        var columns = names.Select(table.Column).ToList();
        if (needsZeros)
            columns.Add(zeros(table.Rows, ScalarType.Float64));
        var data = new FitData(stack(columns, 1), ResponseOf(settings, table));

        var learner = LearnerOf(settings.Family);
        var options = new EmOptions { Restarts = settings.Restarts, Seed = settings.Seed, ColumnNames = needsZeros ? [.. names, "0"] : names };
        var mixture = MixtureLearner.Alike(
            settings.Experts, learner, options,
            gate: settings.GateTerms.Count == 0 ? new ConstantGateLearner() : null,
            gateColumns: PlacesOf(settings.GateTerms),
            columns: PlacesOf(settings.Terms));
        var fitted = mixture.Fit(data, new FitContext { CancellationToken = cancellationToken }, StartOf(settings, table));
        return new Fit(fitted, data, settings.Terms, settings.GateTerms);

        int[] PlacesOf(IReadOnlyList<string> terms) => terms.Count == 0 ? [names.Length] : [.. terms.Select(term => Array.IndexOf(names, term))];
    }

    /// <summary>Each expert's coefficients, the intercept first.</summary>
    public IReadOnlyList<double[]> ExpertCoefficients() =>
        [.. Mixture.Components.Select(component => component.Expert is LinearModel linear ? linear.Coefficients : ((GeneralizedLinearModel)component.Expert).Coefficients).Select(all => all.Take(1 + Terms.Count).ToArray())];

    /// <summary>The gate's coefficients for each expert, the intercept first; those of the first expert are 0.</summary>
    public IReadOnlyList<double[]> GateCoefficients()
    {
        if (Mixture.Gate is ConstantGate constant)
            return [.. constant.Probabilities.Select(probability => new[] { Math.Log(probability / constant.Probabilities[0]) })];
        using var coefficients = ((SoftmaxGate)Mixture.Gate).Coefficients();
        var all = coefficients.data<double>().ToArray();
        return [.. all.Chunk(1 + GateTerms.Count).Select(row => row.Zip(all, (own, first) => own - first).ToArray())];
    }

    /// <summary>
    /// Those of the gate's coefficients for experts 2 to K, of the experts' coefficients, and of log σ. Null for a term that was left out as constant or a combination of
    /// others, and for all where the likelihood has no single maximum.
    /// </summary>
    public IReadOnlyList<double?> StandardErrors()
    {
        // The report has no lines for terms that were left out.
        var lines = new Queue<CoefficientEstimate>(Mixture.Report!.Coefficients());
        var experts = Mixture.Components.Select(component => component.Name).ToArray();
        var gate = experts.Skip(1).SelectMany(expert => GateTerms.Prepend(Intercept).Select(term => (Part: $"gate, {expert}", Term: term)));
        var slopes = experts.SelectMany(expert => Terms.Prepend(Intercept).Select(term => (Part: expert, Term: term)));
        var sigmas = Mixture.Components.Where(component => component.Noise is GaussianNoise).Select(component => (Part: component.Name, Term: LogSigma));
        return [.. gate.Concat(slopes).Concat(sigmas).Select(wanted => lines.TryPeek(out var line) && (line.Part, line.Term) == wanted ? lines.Dequeue().StandardError : null)];
    }

    private static IExpertLearner LearnerOf(string family) => family switch
    {
        "gaussian" => new LinearLearner(),
        "poisson" => new GlmLearner(GlmFamily.Poisson),
        _ => new GlmLearner(GlmFamily.Binomial),
    };

    private static Response ResponseOf(Settings settings, Table table)
    {
        var values = table.Column(settings.Response);
        return settings.Family switch
        {
            "gaussian" => Response.Real(values),
            "poisson" => Response.Count(values),
            _ => Response.Binomial(values, settings.Trials is { } trials ? table.Column(trials) : ones(table.Rows, ScalarType.Float64)),
        };
    }

    /// <summary>Shares to start from, [n, K]; null where none are given.</summary>
    private static Tensor? StartOf(Settings settings, Table table)
    {
        if (settings.Start is null)
            return null;
        var shares = Table.Load(settings.Start);
        if (shares.Names.Count != settings.Experts || shares.Rows != table.Rows)
            throw new InvalidDataException($"{shares.File} has {shares.Rows} rows of {shares.Names.Count} shares; expected {table.Rows} rows (of {table.File}) of {settings.Experts} (--experts).");
        return shares.Matrix(shares.Names);
    }
}
