using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a <see cref="VectorMachine"/>: a support vector classifier of C classes with calibrated probabilities.</summary>
/// <remarks>
/// <para>One two-class machine (C-SVM) a pair of classes, solved by sequential minimal optimisation (Fan, Chen and Lin 2005). Weights of rows are weights of their costs; the
/// unit of weights does not matter, and rows whose weight is below 1e-10 of the typical one (Σw²/Σw) take no part.</para>
/// <para>For probabilities the machines are fitted again in folds that keep the shares of the classes, dealt by <see cref="FitContext.Seed"/>; the sigmoids are fitted to
/// what those machines say of the rows left out, and so is the power of what is coupled of them. A pair with a class of one row has no folds: its sigmoid is fitted to the values of the fit itself, and by the
/// method's smoothed targets gives that class no more than about 2/3 against the other.</para>
/// <para>Up to 4,096 rows the kernel matrix is held (8 n² bytes); above that, 256 MiB of its rows, and time grows with n² or faster.</para>
/// </remarks>
public sealed class VectorMachineLearner : IExpertLearner
{
    private const double LeastShare = 1e-10;
    private const double LargestKernelValue = 1e100;
    private const long MostCoefficients = 1L << 27;

    /// <summary>A learner with default settings.</summary>
    public VectorMachineLearner()
        : this(new VectorMachineOptions())
    {
    }

    /// <summary>A learner with settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names all that are.</exception>
    public VectorMachineLearner(VectorMachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        Options = options;
    }

    /// <summary>The settings.</summary>
    public VectorMachineOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "svm";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Class;

    /// <summary>Fits a <see cref="VectorMachine"/>.</summary>
    /// <param name="data">Rows with classes.</param>
    /// <param name="context">Seed of the folds, cancellation. The previous fit is not used.</param>
    /// <exception cref="ArgumentException">The response is not of classes, all rows that count are of one class, or kernel values are not finite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"A vector machine is fitted to classes, not to a response of kind {data.Response.Kind}.", nameof(data));
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var (kept, weights) = RowsThatCount(data);
        var (labels, present) = Labels(data.Response, kept);
        var pairs = (long)present.Length * (present.Length - 1) / 2;
        if (kept.Length * Math.Max(pairs, data.Response.Classes) > MostCoefficients)
            throw new ArgumentException($"{kept.Length} rows of {present.Length} classes make {pairs} pairs and {kept.Length * pairs} coefficients; at most {MostCoefficients} are possible.", nameof(data));
        var rows = kept.Length == data.Rows ? data.Inputs : data.Inputs.index_select(0, tensor(kept));
        var scaling = MachineScaling.Of(rows, weights, Options);
        var scaled = scaling.Apply(rows);
        var kernel = new MachineKernel(Options.Kernel, Options.Gamma ?? DefaultGamma(Options.Standardise ? scaled : rows, weights), Options.Degree, Options.Offset);
        RequireFinite(kernel, scaled, kept);
        var trainer = new MachineTrainer(scaled, labels, present.Length, [.. weights.Select(weight => Options.Cost * weight)], kernel, Options, context.CancellationToken);
        try
        {
            var machines = trainer.Train([.. Enumerable.Range(0, kept.Length)]);
            var calibration = new MachineCalibration(trainer, scaled, labels, present.Length, weights);
            calibration.Run(machines, Options.Folds, context.Seed);
            var outOfSample = new double[data.Rows * data.Response.Classes];
            calibration.Answer(present, data.Response.Classes, kept, outOfSample);
            var expert = new VectorMachine(scaling, machines.Keep(), calibration.Sigmoids, calibration.Power, present, data.Response.Classes, outOfSample, trainer.Converged, trainer.Iterations);
            if (kept.Length < data.Rows)
                AnswerOthers(expert, data.Inputs, kept, outOfSample);
            return expert;
        }
        finally
        {
            trainer.Release();
        }
    }

    /// <summary>The rows with a weight, and their weights in units of a typical row: w·Σw/Σw², which is 1 for rows of equal weight and does not notice rows of weight 0.</summary>
    private static (long[] Rows, double[] Weights) RowsThatCount(FitData data)
    {
        var all = new double[data.Rows];
        Array.Fill(all, 1);
        if (data.Weights is { } given)
            HostMemory.Of<double>(given).CopyTo(all);
        var largest = all.Max();
        double sum = 0, squares = 0;
        foreach (var weight in all)
        {
            sum += weight / largest;
            squares += weight / largest * (weight / largest);
        }
        var kept = new List<long>();
        var weights = new List<double>();
        for (var row = 0; row < all.Length; row++)
        {
            var share = all[row] / largest * (sum / squares);
            if (share < LeastShare)
                continue;
            kept.Add(row);
            weights.Add(share);
        }
        return ([.. kept], [.. weights]);
    }

    private static (int[] Labels, int[] Present) Labels(Response response, long[] kept)
    {
        var values = HostMemory.Of<double>(response.Values);
        var counts = new int[response.Classes];
        foreach (var row in kept)
            counts[(int)values[(int)row]]++;
        int[] present = [.. Enumerable.Range(0, counts.Length).Where(label => counts[label] > 0)];
        if (present.Length < 2)
            throw new ArgumentException($"All {kept.Length} rows that count are of class {present[0]}; a vector machine needs rows of at least 2 classes.", nameof(response));
        var labels = new int[kept.Length];
        for (var place = 0; place < labels.Length; place++)
            labels[place] = Array.BinarySearch(present, (int)values[(int)kept[place]]);
        return (labels, present);
    }

    /// <summary>1 / (D·Var(x)) over all numbers, by weight; 1 / D where they are all equal.</summary>
    private static double DefaultGamma(Tensor rows, double[] weights)
    {
        var width = (int)rows.size(1);
        var numbers = HostMemory.Of<double>(rows);
        var total = weights.Sum() * width;
        double mean = 0, variance = 0;
        for (var place = 0; place < numbers.Length; place++)
            mean += weights[place / width] / total * numbers[place];
        for (var place = 0; place < numbers.Length; place++)
            variance += weights[place / width] / total * (numbers[place] - mean) * (numbers[place] - mean);
        var gamma = 1 / (width * variance);
        return gamma > 0 && double.IsFinite(gamma) ? gamma : 1.0 / width;
    }

    private static void RequireFinite(MachineKernel kernel, Tensor scaled, long[] kept)
    {
        // Values between rows are never above those of a row with itself.
        var norms = MachineKernel.Norms(scaled);
        for (var row = 0; row < norms.Length; row++)
        {
            if (!(Math.Abs(kernel.Self(norms[row])) <= LargestKernelValue) || !(norms[row] <= LargestKernelValue))
                throw new ArgumentException($"Row {kept[row]} is too far out for the kernel {kernel.Kind}: its value with itself is above {LargestKernelValue}. Standardise, or divide the columns by their units.", nameof(scaled));
        }
    }

    private static void AnswerOthers(VectorMachine expert, Tensor inputs, long[] kept, double[] outOfSample)
    {
        var others = Enumerable.Range(0, (int)inputs.size(0)).Select(row => (long)row).Except(kept).ToArray();
        var answer = expert.forward(inputs.index_select(0, tensor(others)));
        var numbers = HostMemory.Of<double>(answer);
        var width = (int)expert.OutputWidth;
        for (var place = 0; place < others.Length; place++)
            numbers.Slice(place * width, width).CopyTo(outOfSample.AsSpan((int)others[place] * width, width));
    }
}
