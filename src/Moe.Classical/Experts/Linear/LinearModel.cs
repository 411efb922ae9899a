using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted linear model with Gaussian noise of one standard deviation: y = b₀ + x b + σ ε.</summary>
public sealed class LinearModel : ClassicalExpert, IDensityExpert, IVarianceExpert, IOutOfSample, IParametric, IStoredExpert
{
    internal const string Kind = "linear";
    private readonly double[] _coefficients;
    private readonly double[] _covariance;
    private readonly double[] _outOfSample;

    internal LinearModel(double[] coefficients, double sigma, double[] covariance, double degreesOfFreedom, int[] dropped, double[] outOfSample)
        : base(coefficients.Length - 1, 1)
    {
        (_coefficients, Sigma, _covariance, DegreesOfFreedom, DroppedColumns, _outOfSample) = (coefficients, sigma, covariance, degreesOfFreedom, dropped, outOfSample);
        StandardErrors = [.. Enumerable.Range(0, coefficients.Length).Select(term => sigma * Math.Sqrt(Math.Max(covariance[(term * coefficients.Length) + term], 0)))];
    }

    /// <summary>b, [D + 1]: the intercept (0 if there is none), then a slope for each column. 0 for columns left out.</summary>
    public IReadOnlyList<double> Coefficients => _coefficients;

    /// <summary>
    /// The standard error of each coefficient, [D + 1]: the root of σ² (XᵀWX + ridge)⁻¹, from the observed information with σ by maximum likelihood and weights as numbers of
    /// rows. Multiply by √(n / (n - p)) for those of a table of regression. 0 for columns left out.
    /// </summary>
    public IReadOnlyList<double> StandardErrors { get; }

    /// <summary>σ by maximum likelihood, √(Σ w e² / Σ w): at least 1e-8 of the response's root mean square, and above 0.</summary>
    public double Sigma { get; }

    /// <summary>Columns from 0 to D - 1 that were constant or combinations of earlier ones, and have coefficient 0.</summary>
    public IReadOnlyList<int> DroppedColumns { get; }

    /// <summary>The number of coefficients that are free; with a ridge the trace of the hat matrix. Without the noise.</summary>
    public double DegreesOfFreedom { get; }

    /// <inheritdoc/>
    public Tensor LogDensity(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        LinearFunction.Require(response, ResponseKind.Real, rows.size(0));
        var constant = -Math.Log(Sigma) - (0.5 * Math.Log(2 * Math.PI));
        return scope.MoveToOuter(LinearFunction.Density(rows, _coefficients, response, (mean, value, _) =>
        {
            var z = (value - mean) / Sigma;
            return constant - (0.5 * z * z);
        }));
    }

    /// <summary>σ² and the variance of the mean, σ² xᵀ(XᵀWX + ridge)⁻¹x.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n], Float64 on the CPU, above 0. The caller owns it.</returns>
    public Tensor PredictVariance(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        var answer = empty(rows.size(0), dtype: ScalarType.Float64, device: CPU);
        var source = HostMemory.Of<double>(rows);
        var target = HostMemory.Of<double>(answer);
        var (width, size) = ((int)InputWidth, _coefficients.Length);
        Span<double> terms = new double[size];
        terms[0] = 1;
        for (var row = 0; row < target.Length; row++)
        {
            source.Slice(row * width, width).CopyTo(terms[1..]);
            var form = 0.0;
            for (var term = 0; term < size; term++)
                form += terms[term] * Products.Dot(terms, _covariance.AsSpan(term * size, size));
            target[row] = Sigma * Sigma * (1 + Math.Max(form, 0));
        }
        return scope.MoveToOuter(answer);
    }

    /// <summary>
    /// Each row's prediction by the fit without it, exactly (ŷ - h e / (1 - h), h the leverage). A ridge is held at its size of the whole fit, on columns standardised over all rows.
    /// A row of weight 0 was not seen.
    /// </summary>
    /// <returns>[n, 1], Float64 on the CPU. The caller owns it.</returns>
    public Tensor OutOfSample() => tensor(_outOfSample, _outOfSample.Length, 1);

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("sigma", Sigma)
            .Set("degreesOfFreedom", DegreesOfFreedom)
            .Set("dropped", DroppedColumns)
            .Add("coefficients", tensor(_coefficients))
            .Add("covariance", tensor(_covariance))
            .Add("outOfSample", tensor(_outOfSample));
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => LinearFunction.Of(rows, _coefficients, mean => mean);

    internal static LinearModel FromState(ExpertState state)
    {
        var coefficients = StateNumbers.Of(state, "coefficients");
        var covariance = StateNumbers.Of(state, "covariance", coefficients.Length * coefficients.Length);
        return new LinearModel(coefficients, state.Get<double>("sigma"), covariance, state.Get<double>("degreesOfFreedom"), state.Get<int[]>("dropped"), StateNumbers.Of(state, "outOfSample"));
    }
}
