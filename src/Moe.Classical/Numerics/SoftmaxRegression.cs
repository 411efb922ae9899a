namespace Moe.Classical;

/// <summary>
/// Multinomial regression on shares: maximises Σᵢ wᵢ Σₖ rᵢₖ log gᵢₖ less <see cref="SlopePenalty"/>, g = softmax(W t), by Newton's method, or by L-BFGS where the Hessian would be large.
/// The one fit of softmax gates and softmax models, in arrays that are used again from fit to fit.
/// </summary>
/// <remarks>
/// The coefficients of the first class are 0. The Hessian's blocks (Böhning 1992) are all sums of t tᵀ with other weights. L-BFGS begins with the inverse Hessian of a model in which
/// all classes are alike. A step is halved until the objective does not fall, so that a fit never ends worse than it began. Classes that the terms separate have no finite optimum
/// without a ridge: steps end where they are long and gain next to nothing, and <see cref="Separates"/> says so.
/// </remarks>
internal sealed class SoftmaxRegression
{
    /// <summary>Coefficients up to which Newton's method is the faster.</summary>
    private const int LargestNewton = 200;

    /// <summary>A gain, per weight, that is not worth a step of Newton's method.</summary>
    private const double Nothing = 1e-20;

    /// <summary>A gain, per weight, from which on Newton's steps need no guard.</summary>
    private const double Sure = 1e-10;

    /// <summary>A gain, per weight, that is not worth a step of L-BFGS.</summary>
    private const double Little = 1e-12;

    /// <summary>Information on a standardised coefficient, per weight, below which the terms separate the classes.</summary>
    private const double Separated = 1e-9;

    private const double LongestStep = 20;
    private readonly double[] _gradient;
    private readonly double[] _step;
    private readonly double[] _kept;
    private double[] _hessian = [];
    private double[] _blocks = [];
    private bool[] _aliased = [];

    /// <summary>A regression at 0.</summary>
    /// <param name="terms">t; without combinations of others where there shall be no penalty.</param>
    /// <param name="classes">K, at least 1.</param>
    public SoftmaxRegression(StandardTerms terms, int classes)
    {
        (Terms, Classes) = (terms, classes);
        var size = (classes - 1) * terms.Width;
        Coefficients = new double[size];
        (_gradient, _step, _kept) = (new double[size], new double[size], new double[size]);
        (Log, Probability) = (new double[terms.Rows * classes], new double[terms.Rows * classes]);
        Evaluate();
    }

    /// <summary>t.</summary>
    public StandardTerms Terms { get; }

    /// <summary>K.</summary>
    public int Classes { get; }

    /// <summary>W, [K - 1, P]: those of classes 2 to K, standardised. Whoever changes them calls <see cref="Evaluate"/>.</summary>
    public double[] Coefficients { get; }

    /// <summary>log g, [n, K], of the coefficients.</summary>
    public double[] Log { get; }

    /// <summary>g, [n, K].</summary>
    public double[] Probability { get; }

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

    /// <summary>Computes log g and g of the coefficients as they are.</summary>
    public void Evaluate()
    {
        var (width, classes) = (Terms.Width, Classes);
        if (classes == 1)
        {
            Array.Fill(Probability, 1);
            return;
        }
        for (var row = 0; row < Terms.Rows; row++)
        {
            var terms = Terms.Row(row);
            var log = Log.AsSpan(row * classes, classes);
            var greatest = log[0] = 0;
            for (var k = 1; k < classes; k++)
            {
                log[k] = Products.Dot(terms, Coefficients.AsSpan((k - 1) * width, width));
                greatest = Math.Max(greatest, log[k]);
            }
            var g = Probability.AsSpan(row * classes, classes);
            var sum = 0.0;
            for (var k = 0; k < classes; k++)
                sum += g[k] = Math.Exp(log[k] - greatest);
            var total = greatest + Math.Log(sum);
            for (var k = 0; k < classes; k++)
            {
                log[k] -= total;
                g[k] /= sum;
            }
        }
    }

    /// <summary>Starts from coefficients [K, raw width] of the columns as they are.</summary>
    public void StartFrom(ReadOnlySpan<double> raw)
    {
        var (width, relative) = (Terms.RawWidth, new double[Terms.RawWidth]);
        for (var k = 1; k < Classes; k++)
        {
            raw.Slice(k * width, width).CopyTo(relative);
            Products.AddScaled(relative, raw[..width], -1);
            Terms.FromRaw(relative, Coefficients.AsSpan((k - 1) * Terms.Width, Terms.Width));
        }
        Evaluate();
    }

    /// <summary>Coefficients [K, raw width] of the columns as they are, those of the first class 0.</summary>
    public double[] ToRaw()
    {
        var raw = new double[Classes * Terms.RawWidth];
        for (var k = 1; k < Classes; k++)
            Terms.ToRaw(Coefficients.AsSpan((k - 1) * Terms.Width, Terms.Width)).CopyTo(raw, k * Terms.RawWidth);
        return raw;
    }

    /// <summary>
    /// True if the rows tell next to nothing of some coefficient (a pivot of the information), as where it is on its way to infinity; for large models, if a row that counts has a
    /// probability below 1e-11.
    /// </summary>
    public bool Separates(ReadOnlySpan<double> weights)
    {
        var size = Coefficients.Length;
        if (size == 0)
            return false;
        var separated = false;
        if (IsSmall)
        {
            Derivatives(Probability, weights, 0, second: true);
            separated = AliasedCholesky.Factor(_hessian, _aliased, AliasedCholesky.Rounding) < size;
            var least = Separated * Sum(weights);
            for (var place = 0; place < _hessian.Length; place += size + 1)
                separated |= _hessian[place] * _hessian[place] < least;
        }
        for (var place = 0; place < Probability.Length && !IsSmall; place++)
            separated |= Probability[place] < 1e-11 && weights[place / Classes] > 0;
        return separated;
    }

    private void Newton(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int maxSteps, CancellationToken cancellation)
    {
        var total = Sum(weights);
        for (; Steps < maxSteps; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            Derivatives(shares, weights, penalty, second: true);
            _gradient.CopyTo(_step, 0);
            AliasedCholesky.Factor(_hessian, _aliased, AliasedCholesky.Rounding);
            AliasedCholesky.Substitute(_hessian, _aliased, _step);
            var (gain, longest) = (Products.Dot(_step, _gradient), Longest());

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
                continue;
            }
            Converged = !Climb(shares, weights, penalty, Math.Min(1, LongestStep / longest), 0);
            if (Converged)
                return;
        }
    }

    private void Quasi(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int maxSteps, CancellationToken cancellation)
    {
        var (total, next, memory) = (Sum(weights), new double[_step.Length], new LimitedMemory(AsIfAlike));
        Derivatives(shares, weights, penalty, second: false);
        _gradient.CopyTo(next, 0);
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
            memory.Remember(_kept, Coefficients, _gradient, next, 0);
            _gradient.CopyTo(next, 0);
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

    private double Value(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty)
    {
        var sum = 0.0;
        for (var row = 0; row < Terms.Rows; row++)
        {
            var inner = 0.0;
            for (var place = row * Classes; place < (row + 1) * Classes; place++)
            {
                if (shares[place] > 0)
                    inner += shares[place] * Log[place];
            }
            sum += weights[row] * inner;
        }
        return sum - SlopePenalty.Of(Coefficients, Terms.Width, Classes, penalty);
    }

    private void Derivatives(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, bool second)
    {
        var (width, classes, size) = (Terms.Width, Classes, _step.Length);
        if (second && _hessian.Length == 0)
            (_hessian, _blocks, _aliased) = (new double[size * size], new double[classes * (classes - 1) / 2 * width * width], new bool[size]);
        Array.Clear(_gradient);
        Array.Clear(_blocks);
        for (var row = 0; row < Terms.Rows; row++)
        {
            var weight = weights[row];
            if (weight == 0)
                continue;
            var terms = Terms.Row(row);
            var (start, block) = (row * classes, 0);
            for (var k = 1; k < classes; k++)
            {
                var g = Probability[start + k];
                Products.AddScaled(_gradient.AsSpan((k - 1) * width, width), terms, weight * (shares[start + k] - g));
                for (var other = k; other < classes && second; other++, block += width * width)
                {
                    var product = weight * g * ((other == k ? 1 : 0) - Probability[start + other]);
                    if (Math.Abs(product) > 1e-20 * weight)
                        Products.Add(_blocks.AsSpan(block, width * width), terms, product);
                }
            }
        }
        SlopePenalty.AddGradient(Coefficients, width, classes, -penalty, _gradient);
        if (!second)
            return;
        Spread(size, width);
        SlopePenalty.AddHessian(size, width, classes, penalty, _hessian, size);
    }

    /// <summary>Puts the blocks, each the upper triangle of a symmetric matrix, into the upper triangle of the whole.</summary>
    private void Spread(int size, int width)
    {
        var block = 0;
        for (var k = 0; k < Classes - 1; k++)
        {
            for (var other = k; other < Classes - 1; other++, block += width * width)
            {
                for (var first = 0; first < width; first++)
                {
                    var target = _hessian.AsSpan((((k * width) + first) * size) + (other * width), width);
                    for (var second = 0; second < width; second++)
                        target[second] = _blocks[block + (Math.Min(first, second) * width) + Math.Max(first, second)];
                }
            }
        }
    }

    /// <summary>Multiplies by I + 1 1ᵀ over the classes: the inverse Hessian, up to scale, where all classes are alike.</summary>
    private void AsIfAlike(double[] vector)
    {
        for (var term = 0; term < Terms.Width; term++)
        {
            var sum = 0.0;
            for (var place = term; place < vector.Length; place += Terms.Width)
                sum += vector[place];
            for (var place = term; place < vector.Length; place += Terms.Width)
                vector[place] += sum;
        }
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
