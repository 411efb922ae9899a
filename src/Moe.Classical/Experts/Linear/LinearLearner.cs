using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits linear models by weighted least squares, with a ridge if wanted.</summary>
/// <remarks>
/// A constant column, and a column that is a combination of those before it, has coefficient 0 and is named in <see cref="LinearModel.DroppedColumns"/>; with a ridge combinations
/// are kept, and share their slope. Fewer rows than columns are legal for the same reason.
/// </remarks>
public sealed class LinearLearner : IExpertLearner
{
    /// <summary>A learner of linear models.</summary>
    /// <param name="options">Ridge and intercept; null for least squares with an intercept.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public LinearLearner(LinearOptions? options = null)
    {
        Options = options ?? new LinearOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it fits.</summary>
    public LinearOptions Options { get; }

    /// <inheritdoc/>
    public string Name => Options.Ridge > 0 ? "ridge" : "linear";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => false;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        LinearFunction.Require(data.Response, ResponseKind.Real, data.Rows);
        var width = (int)data.Width;
        var weights = data.Weights is null ? default : HostMemory.Of<double>(data.Weights);
        var response = HostMemory.Of<double>(data.Response.Values);
        var terms = new StandardTerms(HostMemory.Of<double>(data.Inputs), width, null, weights, combinations: true, Options.Intercept);
        var penalty = Options.Ridge * terms.Total;
        var squares = new WeightedLeastSquares(terms, weights, penalty);
        var standardised = new double[terms.Width];
        squares.Solve(response, weights, penalty, standardised);

        var outOfSample = new double[terms.Rows];
        Span<double> scratch = new double[terms.Width];
        var (error, size, trace) = (0.0, 0.0, 0.0);
        for (var row = 0; row < terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            var prediction = Products.Dot(terms.Row(row), standardised);
            var residual = response[row] - prediction;
            var leverage = squares.Leverage(row, weight, scratch);
            trace += leverage;
            error += weight * residual * residual;
            size += weight * response[row] * response[row];
            outOfSample[row] = weight == 0 ? prediction
                : 1 - leverage > 1e-8 ? prediction - (residual * leverage / (1 - leverage))
                : Without(row, terms, response, weights, penalty);
        }
        // What the likelihood has no bound without, where a model repeats its rows.
        var floor = Math.Max(1e-8 * Math.Sqrt(size / terms.Total), 1e-150);
        var (sigma, covariance) = (Math.Max(Math.Sqrt(error / terms.Total), floor), terms.TurnCovariance(squares.Inverse()));
        GC.KeepAlive(data);
        return new LinearModel(terms.ToRaw(standardised), sigma, covariance, penalty > 0 ? trace : squares.Rank, terms.Dropped(squares.Aliased), outOfSample);
    }

    /// <summary>The prediction of a row that alone fixes a coefficient, by a fit without it.</summary>
    private static double Without(int left, StandardTerms terms, ReadOnlySpan<double> response, ReadOnlySpan<double> weights, double penalty)
    {
        var others = new double[terms.Rows];
        for (var row = 0; row < others.Length; row++)
            others[row] = row == left ? 0 : weights.IsEmpty ? 1 : weights[row];
        var coefficients = new double[terms.Width];
        new WeightedLeastSquares(terms, others, penalty).Solve(response, others, penalty, coefficients);
        return Products.Dot(terms.Row(left), coefficients);
    }
}
