using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One fit of a <see cref="GatedExpertsLearner"/>, in the caller's dispose scope.</summary>
internal sealed class GatedRun
{
    private readonly GatedExpertsLearner _learner;
    private readonly FitData _all;
    private readonly FitData _data;
    private readonly FitContext _context;
    private readonly Tensor? _kept;

    public GatedRun(GatedExpertsLearner learner, FitData data, FitContext context)
    {
        (_learner, _all, _data) = (learner, data, data);
        _context = context with { Previous = null, Seed = unchecked(learner.Options.Seed + (context.Seed * 1_000_003)) };
        if (data.Weights is { } weights && HostMemory.Of<double>(weights).Contains(0.0))
        {
            var values = HostMemory.Of<double>(weights).ToArray();
            _kept = tensor(Enumerable.Range(0, values.Length).Where(row => values[row] > 0).Select(row => (long)row).ToArray());
            _data = data.Select(_kept);
        }
    }

    private GatedExpertsOptions Options => _learner.Options;

    private int Experts => _learner.Members.Count;

    public GatedExpertsFit Fit(IReadOnlyDictionary<string, Tensor>? outOfFold, Tensor? costs)
    {
        var folds = FoldsOf();
        var floor = new ExactRows(_data).FloorOf(Options.NoiseFloor);
        var answers = _learner.Members.Select((member, place) => MemberAnswers.Of(
            member, _data, folds, outOfFold is not null && outOfFold.TryGetValue(member.Name, out var known) ? Kept(known, _data.Response.Width) : null, Options, floor,
            _context with { Seed = unchecked((_context.Seed * 31) + place) })).ToArray();
        var given = costs is null ? null : HostMemory.Of<double>(Kept(costs, Experts)).ToArray();
        var (noises, problem, search) = Calibrated(answers, folds, given);
        var mixture = new FittedMixture(
            [.. answers.Select((answer, expert) => answer.Component(noises[expert]))], search.Gate, _learner.GateColumns, _data.Response.Kind, _data.Response.Classes, _data.Width);
        return new GatedExpertsFit(mixture, Report(problem, search, answers));
    }

    /// <summary>
    /// A gate over experts whose noise was fitted to all rows, and one over experts calibrated by the rows that are theirs. The second follows specialists, which know only some rows; it also
    /// fits more numbers to the same rows, so that the folds decide.
    /// </summary>
    private (NoiseModel?[] Noises, GateProblem Problem, GateSearch Search) Calibrated(MemberAnswers[] answers, Folds folds, double[]? costs)
    {
        var plain = Searched([.. answers.Select(answer => answer.Noise())]);
        if (Experts == 1)
            return plain;
        var own = Searched(NoiseCalibration.Fit(
            answers, noises => Problem(answers, noises, costs), plain.Search.Ridge ?? NoiseCalibration.Ridge, Options.MaxSteps, _context.CancellationToken));
        return own.Search.CrossValidatedLoss < plain.Search.CrossValidatedLoss ? own : plain;

        (NoiseModel?[] Noises, GateProblem Problem, GateSearch Search) Searched(NoiseModel?[] noises)
        {
            var problem = Problem(answers, noises, costs);
            return (noises, problem, new GateSearch(problem, folds, Options, _learner.Gate, _context));
        }
    }

    private Folds FoldsOf()
    {
        if (Options.GivenFolds is { } given)
        {
            if (_kept is null)
                return given;
            int[] some = [.. HostMemory.Of<long>(_kept).ToArray().Select(row => given.FoldOfRow[(int)row])];
            int[] found = [.. some.Distinct().Order()];
            return Folds.Given(some.Select(fold => Array.IndexOf(found, fold)));
        }
        if (_data.Rows < Options.Folds)
            throw new ArgumentException($"{Options.Folds} folds cannot be made of {_data.Rows} rows with weight; Folds must be at most the number of rows.");
        return Folds.Stratified(_data.Response, Options.Folds, _context.Seed);
    }

    private Tensor Kept(Tensor given, long width)
    {
        var plain = DataGuard.Rows(given, width, nameof(given));
        return _kept is null ? plain : plain.index_select(0, _kept);
    }

    private GateProblem Problem(MemberAnswers[] answers, NoiseModel?[] noises, double[]? costs)
    {
        var (rows, width) = ((int)_data.Rows, _data.Response.Width);
        var seen = _learner.GateColumns is { } columns ? Columns.Of(_data.Inputs, columns) : _data.Inputs;
        var (log, outputs) = (new double[rows * Experts], new double[rows * Experts * width]);
        for (var expert = 0; expert < Experts; expert++)
        {
            var (own, said) = (answers[expert].LogDensities(noises[expert]), answers[expert].Outputs(noises[expert]));
            for (var row = 0; row < rows; row++)
            {
                log[(row * Experts) + expert] = own[row];
                said.AsSpan(row * width, width).CopyTo(outputs.AsSpan(((row * Experts) + expert) * width));
            }
        }
        var (targets, weights) = (Targets(rows, width), _data.Weights is { } given ? HostMemory.Of<double>(given).ToArray() : [.. Enumerable.Repeat(1.0, rows)]);
        if (Options.Loss == GatedLoss.BlendedError && _data.Response.Trials is { } trials)
        {
            var counts = HostMemory.Of<double>(trials);
            for (var row = 0; row < rows; row++)
                weights[row] *= counts[row];
        }
        costs = Options.Loss == GatedLoss.ExpectedCost ? Priced(costs is null ? Costs(log, outputs, targets) : [.. costs]) : [];
        return new GateProblem
        {
            Loss = Options.Loss,
            Experts = Experts,
            Width = width,
            Columns = (int)seen.size(1),
            Rows = HostMemory.Of<double>(seen).ToArray(),
            Weights = weights,
            LogDensities = log,
            Outputs = outputs,
            Targets = targets,
            Costs = costs,
            Unit = Options.Loss switch
            {
                GatedLoss.BlendedError => Spread(targets, weights, width),
                GatedLoss.ExpectedCost => Spread(costs, weights),
                _ => 1,
            },
        };
    }

    private double[] Targets(int rows, int width)
    {
        var values = HostMemory.Of<double>(_data.Response.Values);
        var trials = _data.Response.Trials is { } given ? HostMemory.Of<double>(given) : [];
        var targets = new double[rows * width];
        for (var row = 0; row < rows; row++)
        {
            if (_data.Response.Kind == ResponseKind.Class)
                targets[(row * width) + (int)values[row]] = 1;
            else
                targets[row] = trials.IsEmpty ? values[row] : values[row] / trials[row];
        }
        return targets;
    }

    private double[] Costs(double[] log, double[] outputs, double[] targets)
    {
        var costs = new double[log.Length];
        for (var place = 0; place < costs.Length; place++)
            costs[place] = _data.Response.Kind == ResponseKind.Real ? Math.Pow(outputs[place] - targets[place / Experts], 2) : -Math.Max(log[place], -700);
        return costs;
    }

    private double[] Priced(double[] costs)
    {
        for (var place = 0; Options.Prices is { } prices && place < costs.Length; place++)
            costs[place] += prices[place % Experts];
        return costs;
    }

    /// <summary>The variance of the targets, summed over their columns.</summary>
    private static double Spread(double[] targets, double[] weights, int width)
    {
        var (total, spread) = (weights.Sum(), 0.0);
        for (var column = 0; column < width; column++)
        {
            var mean = 0.0;
            for (var row = 0; row < weights.Length; row++)
                mean += weights[row] / total * targets[(row * width) + column];
            for (var row = 0; row < weights.Length; row++)
                spread += weights[row] / total * Math.Pow(targets[(row * width) + column] - mean, 2);
        }
        return spread > 0 && double.IsFinite(spread) ? spread : 1;
    }

    /// <summary>The standard deviation of costs within rows: what there is to choose between.</summary>
    private double Spread(double[] costs, double[] weights)
    {
        var (total, squares) = (weights.Sum(), 0.0);
        for (var row = 0; row < weights.Length; row++)
        {
            var own = costs.AsSpan(row * Experts, Experts);
            var mean = 0.0;
            foreach (var cost in own)
                mean += cost / Experts;
            foreach (var cost in own)
                squares += weights[row] / total * (cost - mean) * (cost - mean) / Experts;
        }
        var spread = Math.Sqrt(squares);
        return spread > 0 && double.IsFinite(spread) ? spread : 1;
    }

    private GatedExpertsReport Report(GateProblem problem, GateSearch search, MemberAnswers[] answers)
    {
        var logs = problem.LogGates(search.Gate);
        double[] losses = [.. Enumerable.Range(0, Experts).Select(expert => problem.MeanLoss(Constant(problem, other => other == expert ? 0 : double.NegativeInfinity)))];
        var (means, total) = (new double[Experts], problem.Weights.Sum());
        for (var place = 0; place < logs.Length; place++)
            means[place % Experts] += problem.Weights[place / Experts] / total * Math.Exp(logs[place]);
        return new GatedExpertsReport
        {
            Loss = Options.Loss,
            Rows = _all.Rows,
            Names = [.. _learner.Members.Select(member => member.Name)],
            Ridge = search.Ridge,
            Ridges = search.Scores,
            FittedLoss = problem.MeanLoss(logs),
            CrossValidatedLoss = search.CrossValidatedLoss,
            AverageLoss = problem.MeanLoss(Constant(problem, _ => -Math.Log(Experts))),
            ExpertLosses = losses,
            MeanGates = means,
            Trace = search.Trace,
            Converged = search.Converged,
            Warnings = [.. answers.Select(answer => answer.Warning).OfType<string>(), .. Warnings(search, losses)],
            Shares = Shares(problem, search.Gate, logs),
        };
    }

    private IEnumerable<string> Warnings(GateSearch search, double[] losses)
    {
        var best = Array.IndexOf(losses, losses.Min());
        if (Experts > 1 && search.CrossValidatedLoss >= losses[best])
            yield return string.Create(CultureInfo.InvariantCulture, $"Out of fold the gate ({search.CrossValidatedLoss:G5}) does no better than expert \"{_learner.Members[best].Name}\" alone ({losses[best]:G5}).");
        if (search.IsLeast && Experts > 1)
            yield return string.Create(CultureInfo.InvariantCulture, $"The least of the ridges ({search.Ridge:G3}) was the best; a smaller one may be better.");
        if (!search.Converged)
            yield return $"The gate's fit ended after {search.Trace.Count - 1} steps with more to gain.";
    }

    private double[] Shares(GateProblem problem, IGate gate, ReadOnlySpan<double> logs)
    {
        var own = problem.Responsibilities(logs);
        if (_kept is null)
            return own;
        var seen = _learner.GateColumns is { } columns ? Columns.Of(_all.Inputs, columns) : _all.Inputs;
        var all = HostMemory.Of<double>(gate.LogProbabilities(seen).exp()).ToArray();
        var rows = HostMemory.Of<long>(_kept);
        for (var place = 0; place < rows.Length; place++)
            own.AsSpan(place * Experts, Experts).CopyTo(all.AsSpan((int)rows[place] * Experts));
        return all;
    }

    private double[] Constant(GateProblem problem, Func<int, double> log)
    {
        var logs = new double[problem.Count * Experts];
        for (var place = 0; place < logs.Length; place++)
            logs[place] = log(place % Experts);
        return logs;
    }
}
