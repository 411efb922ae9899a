namespace Moe.Classical;

/// <summary>Runs the starts of a fit, several at a time, and keeps the best.</summary>
internal sealed class StartSearch(MixturePlan plan, EmOptions options, double[]? given, IProgress<EmProgress>? progress)
{
    private const int MostRedraws = 3;
    private const int ShortRun = 10;
    private readonly Lock _lock = new();
    private readonly StartReport[] _reports = new StartReport[given is null ? options.Restarts ?? plan.Starts : 1];
    private EmRun? _best;
    private int _bestStart;
    private double _largestFall;

    /// <summary>Every start, in order.</summary>
    public IReadOnlyList<StartReport> Reports => _reports;

    /// <summary>The largest fall of the objective in any start, where none should be.</summary>
    public double LargestFall => _largestFall;

    /// <summary>Runs all starts.</summary>
    /// <returns>The best run.</returns>
    /// <exception cref="ArgumentException">None came to anything.</exception>
    public EmRun Run(CancellationToken cancellation)
    {
        var needsPoints = given is null && plan.Learner.Members.Count > 1;
        var (points, width, responseWidth) = ((double[])[], 0, 0);
        if (needsPoints)
            points = plan.Points(out width, out responseWidth);
        var atOnce = options.MaxParallel ?? Environment.ProcessorCount;
        plan.FitsAtOnce = Math.Max(1, atOnce / _reports.Length);
        ParallelRuns.Run(_reports.Length, atOnce, start => One(start, points, width, responseWidth, cancellation), cancellation);
        return _best ?? throw new ArgumentException($"None of {_reports.Length} starts came to anything: {Reasons()}.");
    }

    private void One(int start, double[] points, int width, int responseWidth, CancellationToken cancellation)
    {
        StartKind? kind = given is null ? StartingShares.KindOf(options.Start, plan.Turns, start) : null;
        for (var redraw = 0; ; redraw++)
        {
            var shares = given is not null ? [.. given] : Best(kind!.Value, candidate => Draw(kind.Value, start, redraw, candidate, points, width, responseWidth), start, cancellation);
            var mayRestart = given is null && redraw < MostRedraws && plan.Learner.Members.Count > 1;
            var model = plan.NewModel(start);
            var run = new EmRun(model, options, plan.Weights, mayRestart, progress is null ? null : (iteration, log) => progress.Report(new EmProgress(start, iteration, log)));
            run.Run(shares, cancellation);
            if (run.Status == EmStatus.Failed && mayRestart && options.OnSmall == OnSmall.Restart)
                continue;
            Keep(run, start, new StartReport(kind, run.Status, run.LogLikelihood, run.Trace.Count, redraw, run.Reason));
            return;
        }
    }

    /// <summary>Of the cuts that are drawn, the one that is the furthest after a few iterations. Starts of other kinds come to much the same and are drawn once.</summary>
    private double[] Best(StartKind kind, Func<int, double[]> draw, int start, CancellationToken cancellation)
    {
        var candidates = plan.Learner.Members.Count == 1 || kind != StartKind.Regions ? 1 : options.Candidates ?? plan.Candidates;
        var best = draw(0);
        if (candidates == 1)
            return best;
        var few = options with { MaxIterations = ShortRun };
        var (most, isSound) = (double.NegativeInfinity, false);
        for (var candidate = 0; candidate < candidates; candidate++)
        {
            var shares = candidate == 0 ? best : draw(candidate);
            var run = new EmRun(plan.NewModel(start), few, plan.Weights, mayRestart: true, progress: null);
            run.Run([.. shares], cancellation);
            if (run.Status == EmStatus.Failed)
                continue;
            var sound = run.Status != EmStatus.Degenerate;
            if (sound.CompareTo(isSound) is var order && (order > 0 || (order == 0 && run.Objective > most)))
                (best, most, isSound) = (shares, run.Objective, sound);
        }
        return best;
    }

    private double[] Draw(StartKind kind, int start, int redraw, int candidate, double[] points, int width, int responseWidth)
    {
        var experts = plan.Learner.Members.Count;
        if (experts > 1)
        {
            // The seed is mixed by itself first: neighbouring seeds would draw the same starts in another order.
            var seed = MixtureRows.SeedOf(MixtureRows.SeedOf(options.Seed), start, redraw, 17 + (candidate << 8));
            return StartingShares.Draw(kind, points, width, responseWidth, experts, new Random(seed));
        }
        var all = new double[plan.Weights.Length];
        Array.Fill(all, 1);
        return all;
    }

    private void Keep(EmRun run, int start, StartReport report)
    {
        lock (_lock)
        {
            _reports[start] = report;
            _largestFall = Math.Max(_largestFall, run.LargestFall);
            if (run.Status == EmStatus.Failed || (_best is not null && Compare(run, start) <= 0))
                return;
            (_best, _bestStart) = (run, start);
        }
    }

    /// <summary>Sound runs before degenerate ones, then the greater objective, then the earlier start: the same whichever ends first.</summary>
    private int Compare(EmRun run, int start)
    {
        var sound = (run.Status != EmStatus.Degenerate).CompareTo(_best!.Status != EmStatus.Degenerate);
        var better = sound != 0 ? sound : run.Objective.CompareTo(_best.Objective);
        return better != 0 ? better : _bestStart.CompareTo(start);
    }

    private string Reasons() =>
        string.Join("; ", _reports.GroupBy(report => report.Reason).OrderByDescending(group => group.Count()).Select(group => $"{group.Count()} × {group.Key}"));
}
