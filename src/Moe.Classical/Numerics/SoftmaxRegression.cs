namespace Moe.Classical;

/// <summary>Multinomial regression on shares, by Newton's method, or by L-BFGS where the Hessian would be large: the one fit of softmax gates and softmax models.</summary>
/// <remarks>
/// L-BFGS begins with the inverse Hessian of a model in which all classes are alike. A step is halved until the objective does not fall, so that but for rounding a fit never ends
/// worse than it began. Classes that the terms separate have no finite optimum without a ridge: steps end where they are long and gain next to nothing, and
/// <see cref="Separates"/> says so.
/// </remarks>
internal sealed class SoftmaxRegression : SoftmaxLikelihood
{
    /// <summary>Coefficients beyond which L-BFGS takes over.</summary>
    private const int LargestNewton = 200;

    /// <summary>A gain, per weight, that is not worth a step of Newton's method.</summary>
    private const double Nothing = 1e-20;

    /// <summary>A gain, per weight, whose step of Newton's method is the last: the next would gain about its square.</summary>
    private const double Last = 1e-15;

    /// <summary>A gain, per weight, from which on Newton's steps need no guard.</summary>
    private const double Sure = 1e-10;

    /// <summary>A gain, per weight, that is not worth a step of L-BFGS.</summary>
    private const double Little = 1e-12;

    /// <summary>Information on a standardised coefficient, per weight, below which the terms separate the classes.</summary>
    private const double Separated = 1e-9;

    private const double LongestStep = 20;
    private readonly double[] _step;
    private readonly double[] _kept;
    private readonly bool[] _aliased;

    /// <summary>A regression at 0.</summary>
    /// <param name="terms">t; without combinations of others where there shall be no penalty.</param>
    /// <param name="classes">K, at least 1.</param>
    public SoftmaxRegression(StandardTerms terms, int classes)
        : base(terms, classes)
    {
        var size = Coefficients.Length;
        (_step, _kept, _aliased) = (new double[size], new double[size], new bool[size]);
    }

    /// <summary>What the last fit reached.</summary>
    public double Objective { get; private set; }

    /// <summary>Steps of the last fit.</summary>
    public int Steps { get; private set; }

    /// <summary>True if the last fit ended because nothing more was to be gained.</summary>
    public bool Converged { get; private set; }

    private bool IsSmall => Coefficients.Length <= LargestNewton;

    /// <summary>Takes steps from the coefficients as they are.</summary>
    /// <param name="shares">r, [n, K], each row's sum 1.</param>
    /// <param name="weights">w, [n].</param>
    /// <param name="penalty">λ, absolute.</param>
    /// <param name="maxSteps">At most so many of Newton's method; ten times as many of L-BFGS, which are as much cheaper.</param>
    /// <param name="cancellation">Ends a long fit.</param>
    public void Fit(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int maxSteps, CancellationToken cancellation = default)
    {
        (Steps, Converged) = (0, Classes == 1);
        if (Classes == 1)
            return;
        Objective = Value(shares, weights, penalty);
        if (IsSmall)
            Newton(shares, weights, penalty, maxSteps, cancellation);
        else
            Quasi(shares, weights, penalty, maxSteps, cancellation);
    }

    /// <summary>
    /// True if the rows tell next to nothing of some coefficient (a pivot of the information), as where it is on its way to infinity; for large models, if a row that counts has a
    /// probability below 1e-11.
    /// </summary>
    public bool Separates(ReadOnlySpan<double> weights)
    {
        var (size, separated) = (Coefficients.Length, false);
        if (size == 0)
            return false;
        if (!IsSmall)
        {
            for (var place = 0; place < Probability.Length; place++)
                separated |= Probability[place] < 1e-11 && weights[place / Classes] > 0;
            return separated;
        }
        Derivatives(Probability, weights, 0, second: true);
        separated = AliasedCholesky.Factor(Hessian, _aliased, AliasedCholesky.Rounding) < size;
        var least = Separated * Sum(weights);
        for (var place = 0; place < Hessian.Length; place += size + 1)
            separated |= Hessian[place] * Hessian[place] < least;
        return separated;
    }

    private void Newton(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int maxSteps, CancellationToken cancellation)
    {
        var total = Sum(weights);
        for (; Steps < maxSteps; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            Derivatives(shares, weights, penalty, second: true);
            Gradient.CopyTo(_step, 0);
            AliasedCholesky.Factor(Hessian, _aliased, AliasedCholesky.Rounding);
            AliasedCholesky.Substitute(Hessian, _aliased, _step);
            var (gain, longest) = (Products.Dot(_step, Gradient), Longest());

            // A long step for next to nothing: the coefficients run off to infinity.
            Converged = !(gain > Nothing * total) || !double.IsFinite(longest) || (gain < Sure * total && longest >= 1);
            if (Converged)
                return;
            if (gain < Sure * total)
            {
                // So near the optimum the objective's rounding would refuse steps that the coefficients still need.
                Products.AddScaled(Coefficients, _step, 1);
                Evaluate();
                Objective = Value(shares, weights, penalty);
                Converged = gain < Last * total;
            }
            else
                Converged = !Climb(shares, weights, penalty, Math.Min(1, LongestStep / longest), 0);
            if (Converged)
                return;
        }
    }

    private void Quasi(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int maxSteps, CancellationToken cancellation)
    {
        var (total, next, memory) = (Sum(weights), new double[_step.Length], new LimitedMemory(AsIfAlike));
        Derivatives(shares, weights, penalty, second: false);
        Gradient.CopyTo(next, 0);
        for (; Steps < 10L * maxSteps; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            memory.Multiply(next, 2 / (total + penalty), _step);
            var gain = Products.Dot(_step, next);
            Converged = !(gain > Little * total) || !Climb(shares, weights, penalty, Math.Min(1, LongestStep / Longest()), 1e-4 * gain);
            if (Converged)
                return;
            Derivatives(shares, weights, penalty, second: false);
            // The gradients are those of what is maximised.
            memory.Remember(_kept, Coefficients, Gradient, next, 0);
            Gradient.CopyTo(next, 0);
        }
    }

    /// <summary>Goes the step, halved until it gains enough; false, and back, if no part of it does.</summary>
    private bool Climb(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, double length, double enough)
    {
        Coefficients.CopyTo(_kept, 0);
        for (var halving = 0; halving < 40; halving++, length *= 0.5)
        {
            _kept.CopyTo(Coefficients, 0);
            Products.AddScaled(Coefficients, _step, length);
            Evaluate();
            var better = Value(shares, weights, penalty);
            if (!(better >= Objective + (length * enough)))
                continue;
            Objective = better;
            return true;
        }
        _kept.CopyTo(Coefficients, 0);
        Evaluate();
        return false;
    }

    private double Longest()
    {
        var longest = 0.0;
        foreach (var move in _step)
            longest = Math.Max(longest, Math.Abs(move));
        return longest;
    }

    private static double Sum(ReadOnlySpan<double> weights)
    {
        var sum = 0.0;
        foreach (var weight in weights)
            sum += weight;
        return sum;
    }
}
