using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits generalised linear models of counts or successes by iteratively reweighted least squares, from the coefficients of the fit before if there is one.</summary>
/// <remarks>
/// A constant column, and without a ridge a column that is a combination of those before it, has coefficient 0 and is named in <see cref="GeneralizedLinearModel.DroppedColumns"/>.
/// Where rows are separated the coefficients have no finite optimum: the fit ends where nothing more is to be gained, and <see cref="GeneralizedLinearModel.Separated"/> says so.
/// </remarks>
public sealed class GlmLearner : IExpertLearner
{
    /// <summary>A learner of models of a family.</summary>
    /// <param name="family">Counts or successes.</param>
    /// <param name="options">Ridge, intercept, steps; null for the defaults.</param>
    /// <exception cref="ArgumentException">The family is none, or an option is out of its range.</exception>
    public GlmLearner(GlmFamily family, GlmOptions? options = null)
    {
        if (!Enum.IsDefined(family))
            throw new ArgumentOutOfRangeException(nameof(family), family, "Expected Poisson or Binomial.");
        Family = family;
        Options = options ?? new GlmOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>What it explains.</summary>
    public GlmFamily Family { get; }

    /// <summary>How it fits.</summary>
    public GlmOptions Options { get; }

    /// <inheritdoc/>
    public string Name => Family == GlmFamily.Poisson ? "poisson" : "binomial";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => false;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == GeneralizedLinearModel.ResponseOf(Family);

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        LinearFunction.Require(data.Response, GeneralizedLinearModel.ResponseOf(Family), data.Rows);
        var width = (int)data.Width;
        var weights = data.Weights is null ? default : HostMemory.Of<double>(data.Weights);
        var response = HostMemory.Of<double>(data.Response.Values);
        var trials = data.Response.Trials is null ? default : HostMemory.Of<double>(data.Response.Trials);
        var terms = new StandardTerms(HostMemory.Of<double>(data.Inputs), width, null, weights, combinations: Options.Ridge > 0, Options.Intercept);
        var glm = new WeightedGlm(Family, terms, Options.Ridge * terms.Total);
        // Coefficients that ran off are no place to start from: there are hardly any slopes there.
        if (context.Previous is GeneralizedLinearModel { Separated: false } previous && previous.Family == Family && previous.InputWidth == width)
            terms.FromRaw([.. previous.Coefficients], glm.Coefficients);
        else
            glm.Start(response, trials, weights);
        glm.Fit(response, trials, weights, Options.MaxSteps, context.CancellationToken);

        var covariance = terms.TurnCovariance(glm.Covariance(response, trials, weights, out var freedom));
        GC.KeepAlive(data);
        return new GeneralizedLinearModel(Family, terms.ToRaw(glm.Coefficients), [.. Enumerable.Range(0, width + 1).Select(term => Math.Sqrt(Math.Max(covariance[(term * (width + 1)) + term], 0)))])
        {
            DegreesOfFreedom = freedom,
            Converged = glm.Converged,
            Separated = glm.Separated,
            Steps = glm.Steps,
            DroppedColumns = terms.Dropped([]),
        };
    }
}
