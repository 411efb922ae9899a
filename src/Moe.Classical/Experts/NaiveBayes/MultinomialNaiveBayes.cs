using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits naive Bayes models of counts, such as those of words: within a class every count is a draw of a column (McCallum and Nigam 1998).</summary>
public sealed class MultinomialNaiveBayes : IExpertLearner
{
    /// <summary>A learner.</summary>
    /// <param name="options">Smoothing; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public MultinomialNaiveBayes(MultinomialNaiveBayesOptions? options = null)
    {
        Options = options ?? new MultinomialNaiveBayesOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it fits.</summary>
    public MultinomialNaiveBayesOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "multinomial-naive-bayes";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => false;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Class;

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        var rows = new ClassRows(data);
        var (present, width) = (rows.Present, rows.Width);
        DataGuard.Each(data.Inputs, value => value >= 0, value => $"Number {{0}} of the inputs is {value}; counts must be at least 0.", nameof(data));
        var coefficients = new double[present.Length * (width + 1)];
        for (var k = 0; k < present.Length; k++)
        {
            var counts = rows.Sums(present[k], value => value);
            var all = counts.Sum() + (Options.Smoothing * width);
            coefficients[k * (width + 1)] = rows.LogShare(present[k]);
            for (var column = 0; column < width; column++)
                coefficients[(k * (width + 1)) + column + 1] = all > 0 ? Math.Log(Math.Max((counts[column] + Options.Smoothing) / all, 1e-300)) : -Math.Log(width);
        }
        return new MultinomialNaiveBayesModel(width, rows.Classes, present, coefficients);
    }
}
