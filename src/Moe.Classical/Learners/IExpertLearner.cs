using Moe.Core;

namespace Moe.Classical;

/// <summary>How to fit an expert: settings without data. Never changed by a fit, which gives a new expert each time.</summary>
/// <remarks>
/// Implement it for a model of your own, and it takes part in mixtures, ensembles and cross-validation. May be used on several threads at once. An implementation checks in
/// <see cref="Fit"/> what it needs of the data beyond what <see cref="FitData"/> promises, and throws <see cref="ArgumentException"/> where that is not there.
/// </remarks>
public interface IExpertLearner
{
    /// <summary>Short name for tables, such as "tree".</summary>
    string Name { get; }

    /// <summary>What becomes of the rows' weights.</summary>
    WeightSupport Weights { get; }

    /// <summary>
    /// True for learners that can come close to repeating the rows they saw (trees, neighbours, kernels): what their experts say of those rows is no evidence, so that
    /// they are judged on rows left out.
    /// </summary>
    bool OverfitsOwnRows { get; }

    /// <summary>True if its experts are <see cref="IOutOfSample"/>: they know their honest answers to the rows of their fit, so that one fit takes the place of one a fold.</summary>
    /// <value>The default is false: nothing is expected of the experts.</value>
    bool AnswersOutOfSample => false;

    /// <summary>True for kinds of response that it can be fitted to.</summary>
    bool Takes(ResponseKind kind);

    /// <summary>Fits a new expert.</summary>
    /// <param name="data">Rows; learners with <see cref="WeightSupport.Native"/> use their weights, others refuse weights that are not equal.</param>
    /// <param name="context">Previous fit, seed, cancellation.</param>
    /// <returns>An expert [n, D] → [n, Dout], Dout = <see cref="Response.Width"/>. Its tensors are its own, whatever dispose scope the call is in.</returns>
    /// <exception cref="ArgumentException">It cannot be fitted to these rows; the message says why.</exception>
    IExpert Fit(FitData data, FitContext context);
}
