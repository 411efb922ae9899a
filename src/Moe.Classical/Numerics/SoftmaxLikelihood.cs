namespace Moe.Classical;

/// <summary>
/// The log-likelihood of shares under a softmax of linear functions, Σᵢ wᵢ Σₖ rᵢₖ log gᵢₖ with g = softmax(W t), less <see cref="SlopePenalty"/>: values and derivatives, in arrays that
/// are used again.
/// </summary>
/// <remarks>The coefficients of the first class are 0. The Hessian's blocks (Böhning 1992) are all sums of t tᵀ with other weights.</remarks>
internal abstract class SoftmaxLikelihood
{
    private double[] _blocks = [];

    /// <summary>All coefficients at 0.</summary>
    /// <param name="terms">t; without combinations of others where there shall be no penalty.</param>
    /// <param name="classes">K, at least 1.</param>
    protected SoftmaxLikelihood(StandardTerms terms, int classes)
    {
        (Terms, Classes) = (terms, classes);
        Coefficients = new double[(classes - 1) * terms.Width];
        Gradient = new double[Coefficients.Length];
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

    /// <summary>The gradient by the coefficients, of the last call of <see cref="Derivatives"/>.</summary>
    protected double[] Gradient { get; }

    /// <summary>The upper triangle of the negative Hessian, of the last call of <see cref="Derivatives"/> that asked for it.</summary>
    protected double[] Hessian { get; private set; } = [];

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

    /// <summary>The penalised log-likelihood of the coefficients as they are.</summary>
    protected double Value(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty)
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

    /// <summary>Computes the gradient, and the Hessian if it is wanted.</summary>
    protected void Derivatives(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, bool second)
    {
        var (width, classes, size) = (Terms.Width, Classes, Coefficients.Length);
        if (second && Hessian.Length == 0)
            (Hessian, _blocks) = (new double[size * size], new double[classes * (classes - 1) / 2 * width * width]);
        Array.Clear(Gradient);
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
                Products.AddScaled(Gradient.AsSpan((k - 1) * width, width), terms, weight * (shares[start + k] - g));
                for (var other = k; other < classes && second; other++, block += width * width)
                {
                    var product = weight * g * ((other == k ? 1 : 0) - Probability[start + other]);
                    if (Math.Abs(product) > 1e-20 * weight)
                        Products.Add(_blocks.AsSpan(block, width * width), terms, product);
                }
            }
        }
        SlopePenalty.AddGradient(Coefficients, width, classes, -penalty, Gradient);
        if (!second)
            return;
        Spread(size, width);
        SlopePenalty.AddHessian(size, width, classes, penalty, Hessian, size);
    }

    /// <summary>Multiplies by I + 1 1ᵀ over the classes: the inverse Hessian, up to scale, where all classes are alike.</summary>
    protected void AsIfAlike(double[] vector)
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
                    var target = Hessian.AsSpan((((k * width) + first) * size) + (other * width), width);
                    for (var second = 0; second < width; second++)
                        target[second] = _blocks[block + (Math.Min(first, second) * width) + Math.Max(first, second)];
                }
            }
        }
    }
}
