namespace Moe.Classical;

/// <summary>Gradient and negative Hessian of the log-likelihood of an <see cref="ExactMixture"/>, penalty included: the score and the observed information.</summary>
/// <remarks>
/// <para>Order: the gate's coefficients of experts 2 to K, the coefficients of experts 1 to K, log σ (of Gaussian experts). Terms are the standardised ones.</para>
/// <para>Per row, with sₖ = ∇ log gₖpₖ and shares rₖ: ∇² log Σ gₖpₖ = Σ rₖ(∇² log gₖpₖ + sₖsₖᵀ) - s̄s̄ᵀ (Louis 1982). Each pair of blocks of parameters is then a number of the
/// row times the outer product of their terms.</para>
/// </remarks>
internal sealed class ObservedInformation
{
    private readonly ExactMixture _mixture;
    private readonly int[] _offsets;
    private readonly int[] _widths;
    private readonly double[] _shares;
    private readonly double[] _numbers;

    public ObservedInformation(ExactMixture mixture)
    {
        _mixture = mixture;
        var (experts, place) = (mixture.Experts, 0);
        Gaussian = mixture.Parts.All(part => part.Family == ExactFamily.Gaussian);
        Blocks = experts - 1 + experts + (Gaussian ? experts : 0);
        (_offsets, _widths) = (new int[Blocks], new int[Blocks]);
        for (var block = 0; block < Blocks; block++)
        {
            _widths[block] = block < experts - 1 ? mixture.GateTerms.Width : block < (2 * experts) - 1 ? mixture.Parts[block - experts + 1].Terms.Width : 1;
            _offsets[block] = mixture.SharedSigma && block > (2 * experts) - 1 ? _offsets[block - 1] : place;
            place = _offsets[block] + _widths[block];
        }
        Size = place;
        Gradient = new double[Size];
        Matrix = new double[Size * Size];
        _shares = new double[mixture.Rows.Values.Length * experts];
        _numbers = new double[Blocks * Blocks];
    }

    /// <summary>True if there are standard deviations among the parameters.</summary>
    public bool Gaussian { get; }

    /// <summary>Blocks of parameters that share their terms.</summary>
    public int Blocks { get; }

    /// <summary>The number of parameters.</summary>
    public int Size { get; }

    /// <summary>The score, [size].</summary>
    public double[] Gradient { get; }

    /// <summary>The observed information, [size, size], upper triangle.</summary>
    public double[] Matrix { get; }

    /// <summary>The log-likelihood less the penalty, of the mixture as it is.</summary>
    public double Objective() => _mixture.Expect(_shares) - _mixture.Penalty;

    /// <summary>Computes score and information of the mixture as it is.</summary>
    public void Compute()
    {
        _mixture.Expect(_shares);
        Array.Clear(Gradient);
        Array.Clear(Matrix);
        var rows = _mixture.Rows;
        Span<double> slopes = stackalloc double[3 * _mixture.Experts];
        for (var row = 0; row < rows.Values.Length; row++)
        {
            if (rows.Weights[row] == 0)
                continue;
            Numbers(row, slopes);
            for (var block = 0; block < Blocks; block++)
            {
                var left = Terms(block, row);
                Products.AddScaled(Gradient.AsSpan(_offsets[block], _widths[block]), left, rows.Weights[row] * Slope(block, row, slopes));
                for (var other = block; other < Blocks; other++)
                {
                    var number = -rows.Weights[row] * _numbers[(block * Blocks) + other];
                    if (number == 0)
                        continue;
                    if (block == other)
                        AddSquare(_offsets[block], left, number);
                    else
                        AddOuter(_offsets[block], left, _offsets[other], Terms(other, row), _offsets[block] == _offsets[other] ? 2 * number : number);
                }
            }
        }
        var (gate, width, experts) = (_mixture.Gate.Coefficients, _mixture.GateTerms.Width, _mixture.Experts);
        SlopePenalty.AddGradient(gate, width, experts, -_mixture.GatePenalty, Gradient);
        SlopePenalty.AddHessian(gate.Length, width, experts, _mixture.GatePenalty, Matrix, Size);
    }

    /// <summary>Copies the parameters out of the mixture, or puts them into it.</summary>
    public void Move(Span<double> parameters, bool into)
    {
        var experts = _mixture.Experts;
        Copy(parameters[.._mixture.Gate.Coefficients.Length], _mixture.Gate.Coefficients, into);
        for (var expert = 0; expert < experts; expert++)
        {
            var part = _mixture.Parts[expert];
            Copy(parameters.Slice(_offsets[experts - 1 + expert], part.Terms.Width), part.Coefficients, into);
            if (!Gaussian)
                continue;
            ref var log = ref parameters[_offsets[(2 * experts) - 1 + expert]];
            if (into)
                part.Sigma = Math.Exp(log);
            else
                log = Math.Log(part.Sigma);
        }
        if (!into)
            return;
        _mixture.Gate.Evaluate();
        foreach (var part in _mixture.Parts)
            part.Evaluate();
    }

    /// <summary>The matrix [size, size] that turns parameters of standardised terms into those of terms as they are.</summary>
    public double[] Turn()
    {
        var turn = new double[Size * Size];
        for (var block = 0; block < Blocks; block++)
        {
            var (offset, width) = (_offsets[block], _widths[block]);
            var own = block < _mixture.Experts - 1 ? _mixture.GateTerms.Turn() : block < (2 * _mixture.Experts) - 1 ? _mixture.Parts[block - _mixture.Experts + 1].Terms.Turn() : [1.0];
            for (var first = 0; first < width; first++)
            {
                for (var second = 0; second < width; second++)
                    turn[((offset + first) * Size) + offset + second] = own[(first * width) + second];
            }
        }
        return turn;
    }

    private static void Copy(Span<double> parameters, double[] own, bool into)
    {
        if (into)
            parameters.CopyTo(own);
        else
            own.CopyTo(parameters);
    }

    /// <summary>The number of each pair of blocks, and the derivatives of each expert's log-density: by η, by η twice, by log σ.</summary>
    private void Numbers(int row, Span<double> slopes)
    {
        var experts = _mixture.Experts;
        var r = _shares.AsSpan(row * experts, experts);
        var g = _mixture.Gate.Probability.AsSpan(row * experts, experts);
        for (var expert = 0; expert < experts; expert++)
        {
            var (first, second) = _mixture.Parts[expert].Derivatives(row);
            slopes[3 * expert] = first;
            slopes[(3 * expert) + 1] = second;
            slopes[(3 * expert) + 2] = Gaussian ? -1 - (first * first / second) : 0;
        }
        for (var j = 1; j < experts; j++)
        {
            for (var l = j; l < experts; l++)
                Set(j - 1, l - 1, (j == l ? r[j] - g[j] : 0) - (r[j] * r[l]) + (g[j] * g[l]));
            for (var k = 0; k < experts; k++)
            {
                var share = r[k] * ((k == j ? 1 : 0) - r[j]);
                Set(j - 1, experts - 1 + k, share * slopes[3 * k]);
                if (Gaussian)
                    Set(j - 1, (2 * experts) - 1 + k, share * slopes[(3 * k) + 2]);
            }
        }
        for (var k = 0; k < experts; k++)
        {
            var (u, h, t) = (slopes[3 * k], slopes[(3 * k) + 1], slopes[(3 * k) + 2]);
            for (var l = 0; l < experts; l++)
            {
                var (v, s) = (slopes[3 * l], slopes[(3 * l) + 2]);
                var product = -r[k] * r[l];
                Set(experts - 1 + k, experts - 1 + l, (k == l ? r[k] * ((u * u) + h) : 0) + (product * u * v));
                if (!Gaussian)
                    continue;
                Set(experts - 1 + k, (2 * experts) - 1 + l, (k == l ? r[k] * ((u * t) - (2 * u)) : 0) + (product * u * s));
                Set((2 * experts) - 1 + k, (2 * experts) - 1 + l, (k == l ? r[k] * ((t * t) - (2 * (t + 1))) : 0) + (product * t * s));
            }
        }
    }

    private void Set(int block, int other, double number) => _numbers[(block * Blocks) + other] = number;

    private double Slope(int block, int row, ReadOnlySpan<double> slopes)
    {
        var experts = _mixture.Experts;
        var start = row * experts;
        if (block < experts - 1)
            return _shares[start + block + 1] - _mixture.Gate.Probability[start + block + 1];
        var expert = (block - experts + 1) % experts;
        return _shares[start + expert] * slopes[(3 * expert) + (block < (2 * experts) - 1 ? 0 : 2)];
    }

    private ReadOnlySpan<double> Terms(int block, int row)
    {
        var experts = _mixture.Experts;
        if (block >= (2 * experts) - 1)
            return One;
        var terms = block < experts - 1 ? _mixture.GateTerms : _mixture.Parts[block - experts + 1].Terms;
        return terms.Values.AsSpan(row * terms.Width, terms.Width);
    }

    private static readonly double[] One = [1];

    private void AddSquare(int offset, ReadOnlySpan<double> terms, double number)
    {
        for (var first = 0; first < terms.Length; first++)
            Products.AddScaled(Matrix.AsSpan(((offset + first) * Size) + offset + first, terms.Length - first), terms[first..], number * terms[first]);
    }

    private void AddOuter(int offset, ReadOnlySpan<double> left, int other, ReadOnlySpan<double> right, double number)
    {
        for (var first = 0; first < left.Length; first++)
            Products.AddScaled(Matrix.AsSpan(((offset + first) * Size) + other, right.Length), right, number * left[first]);
    }
}
