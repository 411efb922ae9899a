using Moe.Classical;
using static TorchSharp.torch;

namespace MixtureOfRegressions;

/// <summary>A fitted mixture, with the rows it was fitted to.</summary>
internal sealed record Fit(FittedMixture Mixture, FitData Data, int TermCount, int GateTermCount)
{
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
        return new Fit(fitted, data, settings.Terms.Count, settings.GateTerms.Count);

        int[] PlacesOf(IReadOnlyList<string> terms) => terms.Count == 0 ? [names.Length] : [.. terms.Select(term => Array.IndexOf(names, term))];
    }

    /// <summary>Each expert's coefficients, the intercept first.</summary>
    public IReadOnlyList<double[]> ExpertCoefficients() =>
        [.. Mixture.Components.Select(component => component.Expert is LinearModel linear ? linear.Coefficients : ((GeneralizedLinearModel)component.Expert).Coefficients).Select(all => all.Take(1 + TermCount).ToArray())];

    /// <summary>The gate's coefficients for each expert, the intercept first; those of the first expert are 0.</summary>
    public IReadOnlyList<double[]> GateCoefficients()
    {
        if (Mixture.Gate is ConstantGate constant)
            return [.. constant.Probabilities.Select(probability => new[] { Math.Log(probability / constant.Probabilities[0]) })];
        using var coefficients = ((SoftmaxGate)Mixture.Gate).Coefficients();
        var all = coefficients.data<double>().ToArray();
        return [.. all.Chunk(1 + GateTermCount).Select(row => row.Zip(all, (own, first) => own - first).ToArray())];
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
