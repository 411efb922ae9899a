namespace Moe.Classical;

/// <summary>EM from one start: E- and M-steps until nothing is gained, with the rules for experts that starve.</summary>
internal sealed class EmRun
{
    /// <summary>A fall of the objective that rounding does not explain, relative to its size.</summary>
    private const double Fall = 1e-8;
    private readonly EmOptions _options;
    private readonly double[] _weights;
    private readonly double _total;
    private readonly bool _mayRestart;
    private readonly Action<int, double>? _progress;
    private readonly List<double> _trace = [];
    private readonly List<int> _dropped = [];
    private readonly List<int> _left;
    private double _largestFall;

    /// <summary>A run.</summary>
    /// <param name="model">Before its first M-step.</param>
    /// <param name="options">When to stop.</param>
    /// <param name="weights">s, [n].</param>
    /// <param name="mayRestart">True if an expert that starves ends the run, for another to be drawn; otherwise it is dropped.</param>
    /// <param name="progress">Called after each iteration.</param>
    public EmRun(EmModel model, EmOptions options, double[] weights, bool mayRestart, Action<int, double>? progress)
    {
        (Model, _options, _weights, _mayRestart, _progress) = (model, options, weights, mayRestart, progress);
        _left = [.. Enumerable.Range(0, model.Experts)];
        foreach (var weight in weights)
            _total += weight;
    }

    public EmModel Model { get; }

    public EmStatus Status { get; private set; } = EmStatus.MaxIterations;

    public string Reason { get; private set; } = "";

    /// <summary>The log-likelihood after each iteration.</summary>
    public IReadOnlyList<double> Trace => _trace;

    /// <summary>Of the iterate that is kept.</summary>
    public double LogLikelihood { get; private set; } = double.NegativeInfinity;

    /// <summary>The log-likelihood less the penalty of the iterate that is kept.</summary>
    public double Objective { get; private set; } = double.NegativeInfinity;

    /// <summary>Members that were dropped.</summary>
    public IReadOnlyList<int> Dropped => _dropped;

    /// <summary>By how much the objective fell at most where it should not.</summary>
    public double LargestFall => _largestFall;

    /// <summary>The shares that the iterate which is kept was fitted to, [n, K]; null for exact models, which need none.</summary>
    public double[]? FittedShares { get; private set; }

    /// <summary>The shares after the last E-step of the iterate that is kept, [n, K].</summary>
    public double[] Shares { get; private set; } = [];

    /// <summary>Runs from given shares.</summary>
    public void Run(double[] start, CancellationToken cancellation)
    {
        var shares = start;
        var previous = double.NegativeInfinity;
        var (idle, best) = (0, (object?)null);
        for (var iteration = 1; iteration <= _options.MaxIterations; iteration++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!Feed(ref shares, ref previous, iteration, cancellation))
                return;
            var fitted = Model.IsExact ? null : (double[])shares.Clone();
            var log = Model.Expect(shares);
            var objective = log - Model.Penalty;
            _trace.Add(log);
            _progress?.Invoke(iteration, log);
            if (Model.IsExact)
            {
                if (objective < previous - (Fall * (Math.Abs(previous) + 1)))
                {
                    _largestFall = Math.Max(_largestFall, previous - objective);
                    Model.Restore(best!);
                    (LogLikelihood, Objective, Shares) = (Model.Expect(shares), previous, shares);
                    End(EmStatus.Decreased, $"the log-likelihood fell by {previous - objective:G3} at iteration {iteration}");
                    return;
                }
                (LogLikelihood, Objective, Shares) = (log, objective, shares);
                var done = Math.Abs(objective - previous) < _options.Tolerance * (Math.Abs(objective) + 0.1);
                previous = objective;
                if (done)
                {
                    End(EmStatus.Converged, $"the log-likelihood changed by less than {_options.Tolerance:G3} of its size");
                    return;
                }
                best = Model.Snapshot();
                continue;
            }
            idle = objective > Objective + (Math.Max(_options.Tolerance, Model.LeastGain) * (Math.Abs(Objective) + 0.1)) || double.IsInfinity(Objective) ? 0 : idle + 1;
            if (objective > Objective)
            {
                (LogLikelihood, Objective, FittedShares, Shares, best) = (log, objective, fitted, (double[])shares.Clone(), Model.Snapshot());
            }
            if (idle >= _options.Patience)
            {
                End(EmStatus.Converged, $"nothing was gained in {idle} iterations");
                break;
            }
        }
        if (Status == EmStatus.MaxIterations)
            End(EmStatus.MaxIterations, $"{_options.MaxIterations} iterations were made");
        if (best is not null && !Model.IsExact)
            Model.Restore(best);
    }

    /// <summary>M-step, after experts that starve are dealt with.</summary>
    /// <returns>False if the run is over.</returns>
    private bool Feed(ref double[] shares, ref double previous, int iteration, CancellationToken cancellation)
    {
        while (true)
        {
            var starved = Smallest(shares) ?? Model.Maximise(shares, iteration, cancellation);
            if (starved is null)
                return true;
            var why = $"expert {_left[starved.Expert] + 1} starved: {starved.Reason}";
            if (Model.Experts == 1 || _options.OnSmall == OnSmall.Keep || (_options.OnSmall == OnSmall.Restart && _mayRestart))
            {
                End(EmStatus.Failed, why);
                return false;
            }
            shares = Without(shares, starved.Expert);
            Model.Drop(starved.Expert);
            _dropped.Add(_left[starved.Expert]);
            _left.RemoveAt(starved.Expert);

            // With one expert less the likelihood begins anew.
            previous = Objective = double.NegativeInfinity;
        }
    }

    private Starvation? Smallest(double[] shares)
    {
        var experts = Model.Experts;
        if (experts == 1 || _options.OnSmall == OnSmall.Keep)
            return null;
        Span<double> sums = experts <= 64 ? stackalloc double[experts] : new double[experts];
        sums.Clear();
        for (var (row, place) = (0, 0); row < _weights.Length; row++)
        {
            for (var expert = 0; expert < experts; expert++, place++)
                sums[expert] += _weights[row] * shares[place];
        }
        var least = 0;
        for (var expert = 1; expert < experts; expert++)
        {
            if (sums[expert] < sums[least])
                least = expert;
        }
        var share = sums[least] / _total;
        return share < _options.MinimumShare ? new Starvation(least, $"its share of the rows is {share:G3}, below {_options.MinimumShare}") : null;
    }

    /// <summary>The shares of the others, each row's sum 1 again.</summary>
    private double[] Without(double[] shares, int expert)
    {
        var experts = Model.Experts;
        var fewer = new double[_weights.Length * (experts - 1)];
        for (var row = 0; row < _weights.Length; row++)
        {
            var target = fewer.AsSpan(row * (experts - 1), experts - 1);
            var sum = 0.0;
            for (var (from, to) = (0, 0); from < experts; from++)
            {
                if (from != expert)
                    sum += target[to++] = shares[(row * experts) + from];
            }
            for (var place = 0; place < target.Length; place++)
                target[place] = sum > 1e-300 ? target[place] / sum : 1.0 / target.Length;
        }
        return fewer;
    }

    private void End(EmStatus status, string reason)
    {
        (Status, Reason) = (status, reason);
        if (status == EmStatus.Failed)
            return;
        if (_dropped.Count > 0 || Model.FloorHits > 0)
        {
            Status = EmStatus.Degenerate;
            Reason = _dropped.Count > 0
                ? $"experts were dropped: {string.Join(", ", _dropped.Select(member => member + 1))}; {reason}"
                : $"the noise of {Model.FloorHits} experts is at its floor; {reason}";
        }
    }
}
