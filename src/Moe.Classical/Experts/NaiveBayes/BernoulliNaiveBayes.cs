using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits naive Bayes models of columns that are on or off: within a class each is on with a probability of its own.</summary>
public sealed class BernoulliNaiveBayes : IExpertLearner
{
    /// <summary>A learner.</summary>
    /// <param name="options">Smoothing; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public BernoulliNaiveBayes(BernoulliNaiveBayesOptions? options = null)
    {
        Options = options ?? new BernoulliNaiveBayesOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it fits.</summary>
    public BernoulliNaiveBayesOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "bernoulli-naive-bayes";

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
        var coefficients = new double[present.Length * (width + 1)];
        for (var k = 0; k < present.Length; k++)
        {
            var on = rows.Sums(present[k], value => value > Options.Threshold ? 1 : 0);
            var start = k * (width + 1);
            coefficients[start] = rows.LogShare(present[k]);
            for (var column = 0; column < width; column++)
            {
                var share = Math.Clamp((on[column] + Options.Smoothing) / (rows.Sum(present[k]) + (2 * Options.Smoothing)), 1e-15, 1 - 1e-15);
                coefficients[start] += Math.Log(1 - share);
                coefficients[start + column + 1] = Math.Log(share) - Math.Log(1 - share);
            }
        }
        return new BernoulliNaiveBayesModel(width, rows.Classes, present, Options.Threshold, coefficients);
    }
}
