namespace Moe.Classical;

/// <summary>One generalised linear expert of a start: coefficients, and its linear function of each row.</summary>
internal sealed class ExactPart
{
    private const int MostSteps = 50;
    /// <summary>A gain, per weight, that is not worth a step.</summary>
    private const double Nothing = 1e-20;

    /// <summary>A gain, per weight, from which on Newton's steps need no guard.</summary>
    private const double Sure = 1e-10;

    private const double LongestStep = 10;
    private readonly ExactRows _rows;
    private readonly double[] _hessian;
    private readonly bool[] _aliased;
    private readonly double[] _gradient;
    private readonly double[] _step;
    private readonly double[] _kept;
    private bool _started;

    public ExactPart(ExactFamily family, StandardTerms terms, ExactRows rows)
    {
        (Family, Terms, _rows) = (family, terms, rows);
        Coefficients = new double[terms.Width];
        Linear = new double[terms.Rows];
        (_gradient, _step, _kept) = (new double[terms.Width], new double[terms.Width], new double[terms.Width]);
        (_hessian, _aliased) = (new double[terms.Width * terms.Width], new bool[terms.Width]);
    }

    public ExactFamily Family { get; }

    public StandardTerms Terms { get; }

    /// <summary>β, standardised, [P].</summary>
    public double[] Coefficients { get; }

    /// <summary>η = x β, [n].</summary>
    public double[] Linear { get; }

    /// <summary>σ of a Gaussian.</summary>
    public double Sigma { get; set; } = 1;

    /// <summary>Computes η of the coefficients as they are.</summary>
    public void Evaluate()
    {
        _started = true;
        var width = Terms.Width;
        for (var row = 0; row < Linear.Length; row++)
            Linear[row] = Products.Dot(Terms.Values.AsSpan(row * width, width), Coefficients);
    }

    /// <summary>Fits the coefficients to weights s r, and gives Σ w e² and Σ w of a Gaussian.</summary>
    /// <returns>False if there is no weight.</returns>
    public bool Fit(ReadOnlySpan<double> shares, int expert, int experts, out double squares, out double total)
    {
        total = 0;
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
            total += _rows.Weights[row] * shares[place];
        squares = 0;
        if (!(total > 1e-12 * _rows.Total))
            return false;
        if (Family != ExactFamily.Gaussian)
        {
            Ascend(shares, expert, experts, total);
            return true;
        }
        LeastSquares(shares, expert, experts);
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
        {
            var e = _rows.Values[row] - Linear[row];
            squares += _rows.Weights[row] * shares[place] * e * e;
        }
        return true;
    }

    /// <summary>Adds log p(y) to its column of [n, K].</summary>
    public void AddLogDensity(Span<double> joint, int expert, int experts)
    {
        var (y, constant) = (_rows.Values, -Math.Log(Sigma) - (0.5 * Math.Log(2 * Math.PI)));
        var scale = 0.5 / (Sigma * Sigma);
        for (var (row, place) = (0, expert); row < y.Length; row++, place += experts)
        {
            switch (Family)
            {
                case ExactFamily.Gaussian:
                    var e = y[row] - Linear[row];
                    joint[place] += constant - (scale * e * e);
                    break;
                case ExactFamily.Poisson:
                    joint[place] += (y[row] * Linear[row]) - Math.Exp(Linear[row]) + _rows.Constants[row];
                    break;
                default:
                    joint[place] += (y[row] * Linear[row]) - (_rows.Trials[row] * SoftPlus(Linear[row])) + _rows.Constants[row];
                    break;
            }
        }
    }

    /// <summary>First and second derivative of log p(y) of a row by η.</summary>
    public (double First, double Second) Derivatives(int row)
    {
        switch (Family)
        {
            case ExactFamily.Gaussian:
                var precision = 1 / (Sigma * Sigma);
                return ((_rows.Values[row] - Linear[row]) * precision, -precision);
            case ExactFamily.Poisson:
                var mean = Math.Exp(Linear[row]);
                return (_rows.Values[row] - mean, -mean);
            default:
                var p = 1 / (1 + Math.Exp(-Linear[row]));
                return (_rows.Values[row] - (_rows.Trials[row] * p), -_rows.Trials[row] * p * (1 - p));
        }
    }

    private static double SoftPlus(double value) => value > 0 ? value + Math.Log(1 + Math.Exp(-value)) : Math.Log(1 + Math.Exp(value));

    private void LeastSquares(ReadOnlySpan<double> shares, int expert, int experts)
    {
        var width = Terms.Width;
        Array.Clear(_hessian);
        Array.Clear(_gradient);
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
        {
            var weight = _rows.Weights[row] * shares[place];
            if (weight == 0)
                continue;
            var x = Terms.Values.AsSpan(row * width, width);
            Products.Add(_hessian, x, weight);
            Products.AddScaled(_gradient, x, weight * _rows.Values[row]);
        }
        _gradient.CopyTo(Coefficients, 0);
        Solve(Coefficients);
        Evaluate();
    }

    private void Solve(Span<double> vector)
    {
        AliasedCholesky.Factor(_hessian, _aliased, AliasedCholesky.Rounding);
        AliasedCholesky.Substitute(_hessian, _aliased, vector);
    }

    /// <summary>Newton's method, which is iteratively reweighted least squares for these links; steps are halved until the likelihood does not fall.</summary>
    private void Ascend(ReadOnlySpan<double> shares, int expert, int experts, double total)
    {
        if (!_started)
            Begin(shares, expert, experts);
        var objective = Objective(shares, expert, experts);
        for (var step = 0; step < MostSteps; step++)
        {
            Slopes(shares, expert, experts);
            _gradient.CopyTo(_step, 0);
            Solve(_step);
            var (gain, longest) = (0.0, 0.0);
            for (var term = 0; term < _step.Length; term++)
            {
                gain += _step[term] * _gradient[term];
                longest = Math.Max(longest, Math.Abs(_step[term]));
            }
            if (!(gain > Nothing * total))
                return;
            if (gain < Sure * total)
            {
                // A long step for next to nothing: the coefficients run off to infinity.
                if (longest >= 1)
                    return;

                // So near the optimum the objective's rounding would refuse steps that the coefficients still need.
                for (var term = 0; term < _step.Length; term++)
                    Coefficients[term] += _step[term];
                Evaluate();
                objective = Objective(shares, expert, experts);
                continue;
            }
            var length = Math.Min(1, LongestStep / longest);
            Coefficients.CopyTo(_kept, 0);
            var better = objective;
            for (var halving = 0; halving < 40; halving++, length *= 0.5)
            {
                for (var term = 0; term < _step.Length; term++)
                    Coefficients[term] = _kept[term] + (length * _step[term]);
                Evaluate();
                better = Objective(shares, expert, experts);
                if (better >= objective)
                    break;
            }
            if (!(better >= objective))
            {
                _kept.CopyTo(Coefficients, 0);
                Evaluate();
                return;
            }
            objective = better;
        }
    }

    /// <summary>Starts from the mean, half a success or event added where there is none.</summary>
    private void Begin(ReadOnlySpan<double> shares, int expert, int experts)
    {
        var (sum, all) = (0.0, 0.0);
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
        {
            var weight = _rows.Weights[row] * shares[place];
            sum += weight * _rows.Values[row];
            all += weight * (Family == ExactFamily.Binomial ? _rows.Trials[row] : 1);
        }
        var mean = Math.Max(sum / all, 1e-3);
        Coefficients[0] = Family == ExactFamily.Poisson ? Math.Log(mean) : Math.Log(Math.Min(mean, 1 - 1e-3) / (1 - Math.Min(mean, 1 - 1e-3)));
        Evaluate();
    }

    private double Objective(ReadOnlySpan<double> shares, int expert, int experts)
    {
        var sum = 0.0;
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
        {
            var weight = _rows.Weights[row] * shares[place];
            if (weight == 0)
                continue;
            var fall = Family == ExactFamily.Poisson ? Math.Exp(Linear[row]) : _rows.Trials[row] * SoftPlus(Linear[row]);
            sum += weight * ((_rows.Values[row] * Linear[row]) - fall);
        }
        return double.IsNaN(sum) ? double.NegativeInfinity : sum;
    }

    private void Slopes(ReadOnlySpan<double> shares, int expert, int experts)
    {
        var width = Terms.Width;
        Array.Clear(_hessian);
        Array.Clear(_gradient);
        for (var (row, place) = (0, expert); row < Linear.Length; row++, place += experts)
        {
            var weight = _rows.Weights[row] * shares[place];
            if (weight == 0)
                continue;
            var (first, second) = Derivatives(row);
            var x = Terms.Values.AsSpan(row * width, width);
            Products.Add(_hessian, x, -weight * second);
            Products.AddScaled(_gradient, x, weight * first);
        }
    }
}
