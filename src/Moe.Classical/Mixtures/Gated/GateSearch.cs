using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a gate to a problem: chooses the ridge in folds, or runs EM where the gate has a learner of its own.</summary>
internal sealed class GateSearch
{
    private readonly GateProblem _problem;
    private readonly GatedExpertsOptions _options;
    private readonly IGateLearner? _learner;
    private readonly FitContext _context;

    public GateSearch(GateProblem problem, Folds folds, GatedExpertsOptions options, IGateLearner? learner, FitContext context)
    {
        (_problem, _options, _learner, _context) = (problem, options, learner, context);
        double[] ridges = learner is not null ? [0] : options.Ridge is { } only ? [only] : [.. options.Ridges.Distinct().OrderDescending()];
        var losses = Judge(folds, ridges);
        var best = Array.IndexOf(losses, losses.Min());
        CrossValidatedLoss = losses[best];
        if (learner is null)
        {
            Ridge = ridges[best];
            Scores = [.. ridges.Select((ridge, place) => new RidgeScore(ridge, losses[place]))];
        }
        foreach (var (gate, _) in Path(problem, ridges[..(best + 1)], traced: true))
            Gate = gate;
        IsLeast = ridges.Length > 1 && best == ridges.Length - 1;
    }

    /// <summary>Fitted to all rows.</summary>
    public IGate Gate { get; private set; } = null!;

    public double? Ridge { get; }

    public IReadOnlyList<RidgeScore> Scores { get; } = [];

    public double CrossValidatedLoss { get; }

    /// <summary>True if the least of several ridges was the best.</summary>
    public bool IsLeast { get; }

    /// <summary>Of the last fit.</summary>
    public IReadOnlyList<double> Trace { get; private set; } = [];

    /// <summary>Of the last fit.</summary>
    public bool Converged { get; private set; }

    /// <summary>The mean loss of each ridge, each fold judged by gates fitted to the others.</summary>
    private double[] Judge(Folds folds, double[] ridges)
    {
        var logs = ridges.Select(_ => new double[_problem.Count * _problem.Experts]).ToArray();
        for (var fold = 0; fold < folds.Count; fold++)
        {
            using var scope = NewDisposeScope();
            var rows = HostMemory.Of<long>(folds.TestRows(fold)).ToArray();
            var test = _problem.Select(rows);
            foreach (var (gate, place) in Path(_problem.Select(HostMemory.Of<long>(folds.TrainRows(fold))), ridges, traced: false))
            {
                var log = test.LogGates(gate);
                for (var row = 0; row < rows.Length; row++)
                    log.Slice(row * test.Experts, test.Experts).CopyTo(logs[place].AsSpan((int)rows[row] * test.Experts));
            }
        }
        return Array.ConvertAll(logs, log => _problem.MeanLoss(log));
    }

    /// <summary>Gates of ridges that grow less, each started from the one before.</summary>
    private IEnumerable<(IGate Gate, int Place)> Path(GateProblem problem, double[] ridges, bool traced)
    {
        if (_learner is not null)
        {
            yield return (Maximise(problem, traced), 0);
            yield break;
        }
        var likelihood = problem.Loss == GatedLoss.MixtureLikelihood ? problem : problem with { Loss = GatedLoss.MixtureLikelihood, Unit = 1 };
        var tolerance = traced ? 1e-10 : 1e-7;
        SoftmaxGate? start = null;
        for (var place = 0; place < ridges.Length; place++)
        {
            var descent = Descend(likelihood, ridges[place], start, tolerance);
            var gate = start = descent.Gate();
            if (!ReferenceEquals(likelihood, problem))
            {
                // These losses have flat ends where a gate has made up its mind, and more than one optimum: the better of two starts, and none from another ridge's end.
                descent = Descend(problem, ridges[place], start, tolerance);
                var other = Descend(problem, ridges[place], null, tolerance);
                descent = other.Objective < descent.Objective ? other : descent;
                gate = descent.Gate();
            }
            if (traced)
                (Trace, Converged) = (descent.Trace, descent.Converged);
            yield return (gate, place);
        }
    }

    private GateDescent Descend(GateProblem problem, double ridge, SoftmaxGate? start, double tolerance)
    {
        var descent = new GateDescent(problem, ridge, tolerance);
        if (start is not null)
            descent.StartFrom(start);
        descent.Run(_options.MaxSteps, _context.CancellationToken);
        return descent;
    }

    /// <summary>EM with fixed experts (Jordan and Jacobs 1994): the learner fits the gate to responsibilities, which follow from the gate. Ends before a step that loses.</summary>
    private IGate Maximise(GateProblem problem, bool traced)
    {
        using var scope = NewDisposeScope();
        var (rows, weights) = (tensor(problem.Rows, [problem.Count, problem.Columns]), tensor(problem.Weights));
        var uniform = new double[problem.Count * problem.Experts];
        Array.Fill(uniform, -Math.Log(problem.Experts));
        var shares = problem.Responsibilities(uniform);
        IGate? best = null;
        var (trace, converged) = (new List<double>(), false);
        for (var step = 0; step < _options.MaxSteps && !converged; step++)
        {
            _context.CancellationToken.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            var gate = _learner!.Fit(rows, tensor(shares, [problem.Count, problem.Experts]), weights, best, _context);
            if (gate.Experts != problem.Experts || gate.InputWidth != problem.Columns)
                throw new ArgumentException($"The gate's learner gave a gate of {gate.Experts} experts over {gate.InputWidth} columns; expected {problem.Experts} over {problem.Columns}.");
            var logs = problem.LogGates(gate);
            var loss = problem.MeanLoss(logs);
            converged = trace.Count > 0 && !(loss < trace[^1] - 1e-9);
            if (!(loss <= (trace.Count > 0 ? trace[^1] : double.MaxValue)))
                break;
            (best, shares) = (gate, problem.Responsibilities(logs));
            trace.Add(loss);
        }
        if (traced)
            (Trace, Converged) = (trace, converged);
        return best ?? throw new ArgumentException("The gate's learner gave a gate whose loss is not a number.");
    }
}
