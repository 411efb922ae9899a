using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits naive Bayes models of real numbers: within a class the columns are independent and normal, with weighted moments.</summary>
/// <remarks>Every column constant is legal where <see cref="GaussianNaiveBayesOptions.Smoothing"/> is above 0: the columns then tell nothing.</remarks>
public sealed class GaussianNaiveBayes : IExpertLearner
{
    /// <summary>A learner.</summary>
    /// <param name="options">Smoothing; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public GaussianNaiveBayes(GaussianNaiveBayesOptions? options = null)
    {
        Options = options ?? new GaussianNaiveBayesOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it fits.</summary>
    public GaussianNaiveBayesOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "gaussian-naive-bayes";

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
        var (means, variances, largest) = (new double[present.Length * width], new double[present.Length * width], 0.0);
        for (var k = 0; k < present.Length; k++)
        {
            var moments = rows.Moments(present[k]);
            moments.Means.CopyTo(means, k * width);
            moments.Variances.CopyTo(variances, k * width);
        }
        foreach (var variance in rows.Moments().Variances)
            largest = Math.Max(largest, variance);
        // Where nothing varies at all any width does, as long as it is the same for all classes.
        var least = largest > 0 ? Math.Max(Options.Smoothing * largest, 1e-300) : 1;
        for (var place = 0; place < variances.Length; place++)
            variances[place] = Math.Max(variances[place] + (Options.Smoothing * largest), least);
        return new GaussianNaiveBayesModel(width, rows.Classes, present, [.. present.Select(rows.LogShare)], means, variances);
    }
}
