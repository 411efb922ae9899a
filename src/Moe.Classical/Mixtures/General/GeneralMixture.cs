using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A mixture of experts of any kind in one start of EM: learners are refitted to their shares, and judged as the options say.</summary>
internal sealed class GeneralMixture : EmModel
{
    private readonly MixtureRows _rows;
    private readonly EmOptions _options;
    private readonly int _start;
    private readonly IGateLearner? _gateLearner;
    private readonly double _fixedRidge;
    private readonly bool _choosesRidge;
    private readonly StandardTerms? _gateTerms;
    private readonly List<GeneralPart> _parts;
    private SoftmaxRegression? _softmax;
    private IGate? _gate;

    /// <summary>A mixture before its first M-step.</summary>
    /// <param name="rows">What the starts share.</param>
    /// <param name="members">The members.</param>
    /// <param name="options">How to fit.</param>
    /// <param name="gateLearner">The gate's learner; null for a softmax gate with a ridge of the options.</param>
    /// <param name="gateTerms">z of the softmax gate; null for another.</param>
    /// <param name="start">Which start, for its seeds.</param>
    /// <param name="fitsAtOnce">How many folds are fitted at a time. The result does not depend on it.</param>
    public GeneralMixture(MixtureRows rows, IReadOnlyList<MixtureMember> members, EmOptions options, IGateLearner? gateLearner, StandardTerms? gateTerms, int start, int fitsAtOnce)
    {
        (_rows, _options, _start, _gateTerms) = (rows, options, start, gateTerms);
        _parts = [.. members.Select((member, place) => new GeneralPart(member, place, rows, options, start, fitsAtOnce))];
        _gateLearner = gateLearner;
        _fixedRidge = options.GateRidge ?? 0;
        IsHonest = _parts.Any(part => part.IsHonest);
        _choosesRidge = gateLearner is null && options.GateRidge is null && rows.Fold.Length > 0;
        Ridge = _choosesRidge ? 1e-3 : _fixedRidge;
        LogDensity = [];
    }

    /// <inheritdoc/>
    public override int Experts => _parts.Count;

    /// <inheritdoc/>
    public override bool IsExact => false;

    /// <summary>True if some experts are judged out of fold.</summary>
    public bool IsHonest { get; }

    /// <inheritdoc/>
    public override double Penalty => 0;

    /// <inheritdoc/>
    public override double LeastGain => _parts.Exists(part => part.IsHonest || part.Member.Learner is { Weights: not WeightSupport.Native }) ? 1e-5 : 0;

    /// <inheritdoc/>
    public override int FloorHits => _parts.Count(part => part.IsAtFloor);

    /// <summary>The gate's ridge.</summary>
    public double Ridge { get; private set; }

    /// <summary>log p(y), [n, K], of the last M-step.</summary>
    public double[] LogDensity { get; private set; }

    public IReadOnlyList<GeneralPart> Parts => _parts;

    /// <inheritdoc/>
    public override Starvation? Maximise(double[] shares, int iteration, CancellationToken cancellation)
    {
        var experts = Experts;
        if (LogDensity.Length != shares.Length)
            LogDensity = new double[shares.Length];
        var labels = _parts.Any(part => part.TakesWholeRows) ? Labels(shares, iteration) : null;
        for (var expert = 0; expert < experts; expert++)
        {
            if (_parts[expert].Fit(shares, expert, experts, labels, LogDensity, cancellation) is { } reason)
                return new Starvation(expert, reason);
        }
        if (_options.SharedSigma)
            Pool(shares);
        FitGate(shares, iteration, cancellation);
        return null;
    }

    /// <inheritdoc/>
    public override double Expect(double[] shares)
    {
        using var scope = NewDisposeScope();
        var experts = Experts;
        var log = _softmax is { } softmax ? softmax.Log.AsSpan() : HostMemory.Of<double>(_gate!.LogProbabilities(_rows.Gate));
        var sum = 0.0;
        UnlikelyRows = 0;
        for (var row = 0; row < _rows.Count; row++)
        {
            var joint = shares.AsSpan(row * experts, experts);
            var gate = log.Slice(row * experts, experts);
            for (var expert = 0; expert < experts; expert++)
                joint[expert] = gate[expert] + LogDensity[(row * experts) + expert];
            var total = LogSum.ToShares(joint);
            if (double.IsNegativeInfinity(total))
            {
                for (var expert = 0; expert < experts; expert++)
                    joint[expert] = Math.Exp(gate[expert]);
                UnlikelyRows++;
                total = UnlikelyLog;
            }
            sum += _rows.Weights[row] * total;
        }
        return sum;
    }

    /// <inheritdoc/>
    public override void Drop(int expert)
    {
        _parts.RemoveAt(expert);
        (_softmax, _gate) = (null, null);
    }

    /// <inheritdoc/>
    public override object Snapshot() => new State(GateNow(), Ridge, [.. _parts.Select(part => part.Now)]);

    /// <inheritdoc/>
    public override void Restore(object snapshot)
    {
        var state = (State)snapshot;
        (_gate, _softmax, Ridge) = (state.Gate, null, state.Ridge);
        for (var expert = 0; expert < _parts.Count; expert++)
            _parts[expert].Now = state.Parts[expert];
    }

    /// <summary>The fitted experts of the iterate that is kept.</summary>
    public MixtureComponent[] Finish(double[] shares, CancellationToken cancellation)
    {
        var labels = _parts.Any(part => part.TakesWholeRows) ? Labels(shares, 0) : null;
        return [.. _parts.Select((part, expert) => part.Finish(shares, expert, Experts, labels, cancellation))];
    }

    /// <summary>The gate as it is.</summary>
    public IGate GateNow() => _softmax is { } softmax ? SoftmaxGateLearner.GateOf(softmax) : _gate!;

    private void FitGate(double[] shares, int iteration, CancellationToken cancellation)
    {
        if (_gateLearner is null)
        {
            if (_choosesRidge && iteration <= 16 && (iteration & (iteration - 1)) == 0 && Experts > 1)
                Ridge = GateRidge.Choose(_gateTerms!, shares, LogDensity, _rows.Weights, _rows.Fold, _options.Folds, cancellation);
            _softmax ??= new SoftmaxRegression(_gateTerms!, Experts);
            _softmax.Fit(shares, _rows.Weights, Ridge * _rows.Total, 25, cancellation);
            return;
        }
        using var scope = NewDisposeScope();
        var targets = tensor(shares, [_rows.Count, Experts]);
        var context = new FitContext { Seed = MixtureRows.SeedOf(_options.Seed, _start, 5), CancellationToken = cancellation };
        _gate = _gateLearner.Fit(_rows.Gate, targets, _rows.Data.Weights, _gate, context);
    }

    /// <summary>Which expert each row belongs to whole.</summary>
    private int[] Labels(double[] shares, int iteration)
    {
        var experts = Experts;
        var random = new Random(MixtureRows.SeedOf(_options.Seed, _start, iteration, 11));
        var labels = new int[_rows.Count];
        for (var row = 0; row < labels.Length; row++)
        {
            var own = shares.AsSpan(row * experts, experts);
            if (_options.HardAssignment == HardAssignment.Drawn)
            {
                var left = random.NextDouble();
                while (labels[row] < experts - 1 && (left -= own[labels[row]]) >= 0)
                    labels[row]++;
                continue;
            }
            for (var expert = 1; expert < experts; expert++)
            {
                if (own[expert] > own[labels[row]])
                    labels[row] = expert;
            }
        }
        return labels;
    }

    /// <summary>One σ for all, σ² = Σₖ Wₖ σₖ² / Σ W.</summary>
    private void Pool(double[] shares)
    {
        var (squares, total, experts) = (0.0, 0.0, Experts);
        for (var expert = 0; expert < experts; expert++)
        {
            var weight = 0.0;
            for (var (row, place) = (0, expert); row < _rows.Count; row++, place += experts)
                weight += _rows.Weights[row] * shares[place];
            squares += weight * Math.Pow(((GaussianNoise)_parts[expert].Now.Noise!).Sigma, 2);
            total += weight;
        }
        var noise = new GaussianNoise(Math.Sqrt(squares / total));
        for (var expert = 0; expert < experts; expert++)
            _parts[expert].SetNoise(noise, expert, experts, LogDensity);
    }

    private sealed record State(IGate Gate, double Ridge, PartState[] Parts);
}
