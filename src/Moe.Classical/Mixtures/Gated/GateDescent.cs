using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a softmax gate to any <see cref="GateProblem"/> by L-BFGS (Nocedal 1980) on the mean loss plus a ridge.</summary>
/// <remarks>
/// Columns are standardised, and a constant one has coefficient 0. The ridge takes the slopes about their mean over the experts, so that no expert is singled out. Steps are
/// halved until the objective falls enough (Armijo), so that a fit never ends above its start. Losses other than the likelihood of one expert are not convex.
/// </remarks>
internal sealed class GateDescent
{
    private const double Cap = 1e4;
    private readonly GateProblem _problem;
    private readonly StandardTerms _terms;
    private readonly double _ridge;
    private readonly double _total;
    private readonly double _tolerance;

    /// <summary>A gate at 0.</summary>
    /// <param name="problem">What it is fitted to.</param>
    /// <param name="ridge">λ.</param>
    /// <param name="tolerance">It ends where the next step promises less than about half of this.</param>
    public GateDescent(GateProblem problem, double ridge, double tolerance = 1e-10)
    {
        (_problem, _ridge, _tolerance) = (problem, ridge, tolerance);
        _terms = new StandardTerms(problem.Rows, problem.Columns, null, problem.Weights, combinations: true);
        _total = _terms.Total;
        Coefficients = new double[problem.Experts * _terms.Width];
    }

    /// <summary>W, [K, P], standardised; to start from, and the result.</summary>
    public double[] Coefficients { get; }

    /// <summary>What was reached.</summary>
    public double Objective { get; private set; }

    /// <summary>The objective before each step and at the end.</summary>
    public List<double> Trace { get; } = [];

    /// <summary>True if nothing more was to be gained.</summary>
    public bool Converged { get; private set; }

    /// <summary>Starts from a gate.</summary>
    public void StartFrom(SoftmaxGate gate)
    {
        using var coefficients = gate.Coefficients();
        var raw = Core.HostMemory.Of<double>(coefficients);
        for (var expert = 0; expert < _problem.Experts; expert++)
            _terms.FromRaw(raw.Slice(expert * _terms.RawWidth, _terms.RawWidth), Coefficients.AsSpan(expert * _terms.Width, _terms.Width));
        Centre();
    }

    /// <summary>Takes steps from the coefficients as they are.</summary>
    public void Run(int maxSteps, CancellationToken cancellation)
    {
        var size = Coefficients.Length;
        var (gradient, next, step, kept) = (new double[size], new double[size], new double[size], new double[size]);
        var memory = new LimitedMemory();
        Objective = Evaluate(gradient);
        Trace.Add(Objective);
        for (var count = 0; count < maxSteps; count++)
        {
            cancellation.ThrowIfCancellationRequested();
            memory.Multiply(gradient, 1, step);
            foreach (ref var value in step.AsSpan())
                value = -value;
            var slope = Products.Dot(step, gradient);
            if (!(slope < -_tolerance) || !double.IsFinite(slope))
            {
                Converged = true;
                return;
            }
            Coefficients.CopyTo(kept, 0);
            var (length, better) = (memory.IsEmpty ? Math.Min(1, 1 / Math.Sqrt(Products.Dot(step, step))) : 1.0, double.NaN);
            for (var halving = 0; halving < 40 && !(better <= Objective + (1e-4 * length * slope)); halving++)
            {
                length = halving == 0 ? length : length * 0.5;
                kept.CopyTo(Coefficients, 0);
                Products.AddScaled(Coefficients, step, length);
                better = Evaluate(next);
            }
            if (!(better < Objective))
            {
                kept.CopyTo(Coefficients, 0);
                Converged = true;
                return;
            }
            Objective = better;
            Trace.Add(better);
            // Only steps along which the gradient grew, so that the approximate Hessian stays positive where the loss is not convex.
            memory.Remember(kept, Coefficients, gradient, next, 1e-10);
            next.CopyTo(gradient, 0);
            if (Coefficients.Any(coefficient => !(Math.Abs(coefficient) < Cap)))
                return;
        }
    }

    /// <summary>The gate of the coefficients, in units of the rows as they are.</summary>
    public SoftmaxGate Gate()
    {
        Centre();
        var raw = new double[_problem.Experts * _terms.RawWidth];
        for (var expert = 0; expert < _problem.Experts; expert++)
            _terms.ToRaw(Coefficients.AsSpan(expert * _terms.Width, _terms.Width)).CopyTo(raw, expert * _terms.RawWidth);
        using var coefficients = tensor(raw, [_problem.Experts, _terms.RawWidth]);
        return new SoftmaxGate(coefficients, (_problem.Experts - 1) * _terms.Width);
    }

    /// <summary>Objective and gradient at the coefficients as they are.</summary>
    public double Evaluate(Span<double> gradient)
    {
        var (experts, width, sum) = (_problem.Experts, _terms.Width, 0.0);
        Span<double> log = new double[experts];
        Span<double> own = new double[experts];
        gradient.Clear();
        for (var row = 0; row < _problem.Count; row++)
        {
            var terms = _terms.Row(row);
            for (var expert = 0; expert < experts; expert++)
                log[expert] = Products.Dot(terms, Coefficients.AsSpan(expert * width, width));
            LogSum.Normalise(log);
            var weight = _problem.Weights[row] / _total;
            sum += weight * _problem.LossOf(row, log, own);
            for (var expert = 0; expert < experts; expert++)
                Products.AddScaled(gradient.Slice(expert * width, width), terms, weight * own[expert] / _problem.Unit);
        }
        SlopePenalty.AddGradient(Coefficients, width, experts, _ridge, gradient);
        return (sum / _problem.Unit) + SlopePenalty.Of(Coefficients, width, experts, _ridge);
    }

    private void Centre()
    {
        for (var term = 0; term < _terms.Width; term++)
        {
            var sum = 0.0;
            for (var place = term; place < Coefficients.Length; place += _terms.Width)
                sum += Coefficients[place];
            for (var place = term; place < Coefficients.Length; place += _terms.Width)
                Coefficients[place] -= sum / _problem.Experts;
        }
    }
}
