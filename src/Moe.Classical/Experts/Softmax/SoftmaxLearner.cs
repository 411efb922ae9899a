using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits softmax (multinomial logistic) models of classes with a ridge, from the coefficients of the fit before if there is one.</summary>
/// <remarks>Classes that no row has are left out of the fit (<see cref="ClassScoreExpert.AbsentShare"/>); one class only is legal.</remarks>
public sealed class SoftmaxLearner : IExpertLearner
{
    /// <summary>A learner of softmax models.</summary>
    /// <param name="options">Ridge and steps; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SoftmaxLearner(SoftmaxOptions? options = null)
    {
        Options = options ?? new SoftmaxOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it fits.</summary>
    public SoftmaxOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "softmax";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => false;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Class;

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        var (present, _) = ClassScoreExpert.Count(data);
        var place = new int[data.Response.Classes];
        for (var k = 0; k < present.Length; k++)
            place[present[k]] = k + 1;
        var labels = HostMemory.Of<double>(data.Response.Values);
        var shares = new double[labels.Length * present.Length];
        for (var row = 0; row < labels.Length; row++)
        {
            // A row of a class without weight has no weight itself.
            if (place[(int)labels[row]] is > 0 and var k)
                shares[(row * present.Length) + k - 1] = 1;
        }
        var width = (int)data.Width;
        var weights = new double[labels.Length];
        if (data.Weights is null)
            Array.Fill(weights, 1);
        else
            HostMemory.Of<double>(data.Weights).CopyTo(weights);
        var terms = new StandardTerms(HostMemory.Of<double>(data.Inputs), width, null, weights, combinations: Options.Ridge > 0);
        var regression = new SoftmaxRegression(terms, present.Length);
        if (context.Previous is SoftmaxModel { Separated: false } previous && previous.InputWidth == width && previous.PresentClasses.SequenceEqual(present))
            regression.StartFrom(previous.Raw);
        regression.Fit(shares, weights, Options.Ridge * terms.Total, Options.MaxSteps, context.CancellationToken);
        var raw = regression.ToRaw();
        if (Options.Ridge > 0)
            Centre(raw, width + 1);
        GC.KeepAlive(data);
        return new SoftmaxModel(width, data.Response.Classes, present, raw)
        {
            DroppedColumns = terms.Dropped([]),
            Converged = regression.Converged,
            Separated = Options.Ridge == 0 && regression.Separates(weights),
            Steps = regression.Steps,
        };
    }
    /// <summary>Makes the sum over the classes 0.</summary>
    private static void Centre(Span<double> coefficients, int width)
    {
        for (var column = 0; column < width; column++)
        {
            var sum = 0.0;
            for (var place = column; place < coefficients.Length; place += width)
                sum += coefficients[place];
            for (var place = column; place < coefficients.Length; place += width)
                coefficients[place] -= sum * width / coefficients.Length;
        }
    }
}
