namespace Moe.Classical;

/// <summary>A mixture of generalised linear experts under a softmax gate in arrays: an iteration makes no tensor and takes no memory that grows with the rows.</summary>
internal sealed class ExactMixture : EmModel
{
    private readonly ExactRows _rows;
    private readonly StandardTerms _gateTerms;
    private readonly bool _shared;
    private readonly double _floor;
    private readonly List<ExactPart> _parts;
    private readonly List<int> _members;

    /// <summary>A mixture before its first M-step.</summary>
    /// <param name="rows">Responses and weights.</param>
    /// <param name="gateTerms">z; its intercept alone for a constant gate.</param>
    /// <param name="parts">Family and terms of each expert.</param>
    /// <param name="floor">The least σ.</param>
    /// <param name="shared">One σ for all.</param>
    /// <param name="penalty">λ of the gate, absolute.</param>
    public ExactMixture(ExactRows rows, StandardTerms gateTerms, IReadOnlyList<(ExactFamily Family, StandardTerms Terms)> parts, double floor, bool shared, double penalty)
    {
        (_rows, _gateTerms, _floor, _shared, GatePenalty) = (rows, gateTerms, floor, shared, penalty);
        _parts = [.. parts.Select(part => new ExactPart(part.Family, part.Terms, rows))];
        _members = [.. Enumerable.Range(0, _parts.Count)];
        Gate = new SoftmaxRegression(gateTerms, _parts.Count);
    }

    /// <inheritdoc/>
    public override int Experts => _parts.Count;

    /// <inheritdoc/>
    public override bool IsExact => true;

    /// <inheritdoc/>
    public override double Penalty => SlopePenalty.Of(Gate.Coefficients, _gateTerms.Width, Experts, GatePenalty);

    /// <inheritdoc/>
    public override int FloorHits => _parts.Count(part => part.Family == ExactFamily.Gaussian && part.Sigma <= _floor * (1 + 1e-9));

    public IReadOnlyList<ExactPart> Parts => _parts;

    /// <summary>Which member each expert is.</summary>
    public IReadOnlyList<int> Members => _members;

    public SoftmaxRegression Gate { get; private set; }

    public double GatePenalty { get; }

    public StandardTerms GateTerms => _gateTerms;

    public ExactRows Rows => _rows;

    public bool SharedSigma => _shared;

    public double Floor => _floor;

    /// <inheritdoc/>
    public override Starvation? Maximise(double[] shares, int iteration, CancellationToken cancellation)
    {
        Gate.Fit(shares, _rows.Weights, GatePenalty, 25, cancellation);
        var (squares, total) = (0.0, 0.0);
        for (var expert = 0; expert < _parts.Count; expert++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!_parts[expert].Fit(shares, expert, _parts.Count, out var own, out var weight))
                return new Starvation(expert, "no row is left to it");
            squares += own;
            total += weight;
            if (!_shared && _parts[expert].Family == ExactFamily.Gaussian)
                _parts[expert].Sigma = Math.Max(Math.Sqrt(own / weight), _floor);
        }
        if (_shared)
        {
            foreach (var part in _parts)
                part.Sigma = Math.Max(Math.Sqrt(squares / total), _floor);
        }
        return null;
    }

    /// <inheritdoc/>
    public override double Expect(double[] shares)
    {
        var experts = _parts.Count;
        Gate.Log.CopyTo(shares, 0);
        for (var expert = 0; expert < experts; expert++)
            _parts[expert].AddLogDensity(shares, expert, experts);
        var sum = 0.0;
        UnlikelyRows = 0;
        for (var row = 0; row < _rows.Values.Length; row++)
        {
            var joint = shares.AsSpan(row * experts, experts);
            var log = LogSum.ToShares(joint);
            if (double.IsNegativeInfinity(log))
            {
                Gate.Probability.AsSpan(row * experts, experts).CopyTo(joint);
                UnlikelyRows++;
                log = UnlikelyLog;
            }
            sum += _rows.Weights[row] * log;
        }
        return sum;
    }

    /// <inheritdoc/>
    public override void Drop(int expert)
    {
        _parts.RemoveAt(expert);
        _members.RemoveAt(expert);
        Gate = new SoftmaxRegression(_gateTerms, _parts.Count);
    }

    /// <summary>Puts expert <paramref name="order"/>[k] in place k, and refers the gate to the first.</summary>
    public void Reorder(int[] order)
    {
        var width = _gateTerms.Width;
        double[] before = [.. new double[width], .. Gate.Coefficients];
        for (var place = 0; place < Gate.Coefficients.Length; place++)
        {
            var expert = (place / width) + 1;
            Gate.Coefficients[place] = before[(order[expert] * width) + (place % width)] - before[(order[0] * width) + (place % width)];
        }
        Gate.Evaluate();

        // Only members that are alike change places, so that each place keeps its member.
        ExactPart[] parts = [.. order.Select(place => _parts[place])];
        for (var place = 0; place < parts.Length; place++)
            _parts[place] = parts[place];
    }

    /// <inheritdoc/>
    public override object Snapshot() => new State(
        [.. Gate.Coefficients], [.. _parts.Select(part => (double[])part.Coefficients.Clone())], [.. _parts.Select(part => part.Sigma)]);

    /// <inheritdoc/>
    public override void Restore(object snapshot)
    {
        var state = (State)snapshot;
        state.Gate.CopyTo(Gate.Coefficients, 0);
        Gate.Evaluate();
        for (var expert = 0; expert < _parts.Count; expert++)
        {
            state.Experts[expert].CopyTo(_parts[expert].Coefficients, 0);
            _parts[expert].Sigma = state.Sigmas[expert];
            _parts[expert].Evaluate();
        }
    }

    private sealed record State(double[] Gate, double[][] Experts, double[] Sigmas);
}
