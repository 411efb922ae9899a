using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A Gaussian process, given rows: a mean and a variance for each new row.</summary>
public sealed class GaussianProcessExpert : ClassicalExpert, IVarianceExpert, IDensityExpert, IOutOfSample, IParametric, IStoredExpert
{
    internal const string StateKind = "gaussian-process";

    private readonly WeightedScaling _scaling;
    private readonly WeightedScaling _level;
    private readonly StationaryKernel _kernel;
    private readonly Tensor _inputs;
    private readonly Tensor _inverse;
    private readonly Tensor _alpha;
    private readonly Tensor _leftOut;

    private GaussianProcessExpert(StationaryKernel kernel, GaussianProcessParameters parameters, double likelihood, double freedom, WeightedScaling scaling, WeightedScaling level,
        Tensor inputs, Tensor inverse, Tensor alpha, Tensor leftOut)
        : base(scaling.Mean.Length, 1)
    {
        Kernel = kernel;
        Parameters = parameters;
        LogMarginalLikelihood = likelihood;
        DegreesOfFreedom = freedom;
        _kernel = Scaled(kernel, parameters, scaling.Mean.Length);
        _scaling = scaling;
        _level = level;
        _inputs = inputs.DetachFromDisposeScope();
        _inverse = inverse.DetachFromDisposeScope();
        _alpha = alpha.DetachFromDisposeScope();
        _leftOut = leftOut.DetachFromDisposeScope();
    }

    /// <summary>The kernel as it was asked for; the length scales in use are those of <see cref="Parameters"/>.</summary>
    public StationaryKernel Kernel { get; }

    /// <summary>The hyper-parameters, given or found.</summary>
    public GaussianProcessParameters Parameters { get; }

    /// <summary>log p(y) of the scaled responses of the rows in the kernel matrix, under the hyper-parameters.</summary>
    public double LogMarginalLikelihood { get; }

    /// <summary>The trace of the matrix from responses to fitted means.</summary>
    public double DegreesOfFreedom { get; }

    /// <inheritdoc/>
    /// <remarks>Closed form (Rasmussen and Williams 2006, equation 5.12), with hyper-parameters and scaling held. Rows that are not in the kernel matrix get plain predictions.</remarks>
    public Tensor OutOfSample()
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(_leftOut.narrow(1, 0, 1).contiguous().clone());
    }

    /// <summary>The variance of each response of the fit around <see cref="OutOfSample"/>, with the noise σ² of a row of mean weight.</summary>
    /// <returns>[n], Float64 on the CPU, above 0. The caller owns it.</returns>
    public Tensor OutOfSampleVariance()
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(_leftOut.select(1, 1).clone());
    }

    /// <inheritdoc/>
    public Tensor PredictVariance(Tensor input)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        return scope.MoveToOuter(Moments(DataGuard.Rows(input, InputWidth, nameof(input))).select(1, 1).clone());
    }

    /// <inheritdoc/>
    public Tensor LogDensity(Tensor input, Response response)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.Kind != ResponseKind.Real)
            throw new ArgumentException($"Expected real responses, got {response.Kind}.", nameof(response));
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var moments = Moments(DataGuard.Rows(input, InputWidth, nameof(input)));
        if (response.Rows != moments.size(0))
            throw new ArgumentException($"Expected {moments.size(0)} responses, got {response.Rows}.", nameof(response));
        var answer = zeros(moments.size(0), dtype: ScalarType.Float64, device: CPU);
        var values = HostMemory.Of<double>(moments);
        var given = HostMemory.Of<double>(response.Values);
        var into = HostMemory.Of<double>(answer);
        for (var row = 0; row < into.Length; row++)
        {
            var error = given[row] - values[2 * row];
            into[row] = -0.5 * ((error * error / values[(2 * row) + 1]) + Math.Log(2 * Math.PI * values[(2 * row) + 1]));
        }
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    public ExpertState ToState() => new ExpertState(StateKind)
        .Set("parameters", Parameters).Set("likelihood", LogMarginalLikelihood).Set("freedom", DegreesOfFreedom)
        .Set("mean", _scaling.Mean).Set("deviation", _scaling.Deviation).Set("level", _level.Mean[0]).Set("unit", _level.Deviation[0])
        .Add("kernel", KernelStates.Write(Kernel)).Add("inputs", _inputs).Add("inverse", _inverse).Add("alpha", _alpha).Add("leftOut", _leftOut);

    internal static GaussianProcessExpert FromState(ExpertState state)
    {
        var scaling = new WeightedScaling(state.Get<double[]>("mean"), state.Get<double[]>("deviation"));
        var level = new WeightedScaling([state.Get<double>("level")], [state.Get<double>("unit")]);
        var inputs = state.GetTensor("inputs", -1, scaling.Mean.Length);
        var rows = inputs.size(0);
        return new GaussianProcessExpert((StationaryKernel)KernelStates.Read(state.Child("kernel")), state.Get<GaussianProcessParameters>("parameters"), state.Get<double>("likelihood"),
            state.Get<double>("freedom"), scaling, level, inputs, state.GetTensor("inverse", rows, rows), state.GetTensor("alpha", rows, 1), state.GetTensor("leftOut", -1, 2));
    }

    /// <summary>Conditions the process on scaled rows, weights of mean 1. All rows of the fit are given to answer those left out.</summary>
    internal static GaussianProcessExpert Condition(StationaryKernel kernel, GaussianProcessParameters parameters, WeightedScaling scaling, WeightedScaling level,
        Tensor inputs, Tensor response, Tensor weights, Tensor all, int[] places)
    {
        var rows = places.Length;
        var matrix = Scaled(kernel, parameters, scaling.Mean.Length).Compute(inputs, inputs).mul(tensor(parameters.SignalVariance, dtype: ScalarType.Float64));
        var entries = HostMemory.Of<double>(matrix);
        var shares = HostMemory.Of<double>(weights);
        for (var row = 0; row < rows; row++)
            entries[(row * rows) + row] += parameters.NoiseVariance / shares[row];
        var inverse = SafeCholesky.Inverse(matrix, out var logDeterminant)
            ?? throw new ArgumentException($"The covariance of {rows} rows is not positive definite; more noise than {parameters.NoiseVariance} may help.", nameof(inputs));
        var alpha = inverse.matmul(response).unsqueeze(1).contiguous();
        var likelihood = -0.5 * (alpha.squeeze(1).dot(response).item<double>() + logDeterminant + (rows * Math.Log(2 * Math.PI)));
        var diagonal = HostMemory.Of<double>(inverse);
        var freedom = (double)rows;
        for (var row = 0; row < rows; row++)
            freedom -= parameters.NoiseVariance / shares[row] * diagonal[(row * rows) + row];
        freedom = Math.Clamp(freedom, 0, rows);

        var leftOut = zeros(all.size(0), 2, dtype: ScalarType.Float64, device: CPU);
        var expert = new GaussianProcessExpert(kernel, parameters, likelihood, freedom, scaling, level, inputs, inverse, alpha, leftOut);
        if (rows < all.size(0))
            leftOut.copy_(expert.Moments(all));
        var answers = HostMemory.Of<double>(leftOut);
        var values = HostMemory.Of<double>(response);
        var parts = HostMemory.Of<double>(alpha);
        for (var row = 0; row < rows; row++)
        {
            var own = diagonal[(row * rows) + row];
            answers[2 * places[row]] = level.Mean[0] + (level.Deviation[0] * (values[row] - (parts[row] / own)));

            // 1 / (K⁻¹)_ii has the row's own noise in it, σ² / w_i.
            var function = Math.Max(0, (1 / own) - (parameters.NoiseVariance / shares[row]));
            answers[(2 * places[row]) + 1] = level.Deviation[0] * level.Deviation[0] * (function + parameters.NoiseVariance);
        }
        return expert;
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => Blocks(rows, false);

    private static StationaryKernel Scaled(StationaryKernel kernel, GaussianProcessParameters parameters, int width) => parameters.LengthScales.Count == 1
        ? kernel with { LengthScale = parameters.LengthScales[0], LengthScales = null }
        : kernel with { LengthScales = [.. parameters.LengthScales.Take(width)] };

    /// <summary>Mean and variance, noise included: [n, 2].</summary>
    private Tensor Moments(Tensor rows) => rows.size(0) == 0 ? zeros(0, 2, dtype: ScalarType.Float64, device: CPU) : Blocks(rows, true);

    private Tensor Blocks(Tensor rows, bool variance)
    {
        var answers = new List<Tensor>();
        var step = SquaredDistances.BlockRows(_inputs.size(0));
        for (var start = 0L; start < rows.size(0); start += step)
        {
            using var scope = NewDisposeScope();
            var block = _scaling.Apply(rows.narrow(0, start, Math.Min(step, rows.size(0) - start)));
            var cross = _kernel.Compute(block, _inputs).mul(tensor(Parameters.SignalVariance, dtype: ScalarType.Float64));
            var mean = cross.matmul(_alpha).mul(tensor(_level.Deviation)).add(tensor(_level.Mean), KeptScalars.One);
            if (variance)
            {
                var spread = cross.matmul(_inverse).mul(cross).sum(dim: 1, keepdim: true).contiguous();
                foreach (ref var value in HostMemory.Of<double>(spread))
                    value = _level.Deviation[0] * _level.Deviation[0] * (Math.Max(0, Parameters.SignalVariance - value) + Parameters.NoiseVariance);
                mean = cat([mean, spread], 1);
            }
            answers.Add(scope.MoveToOuter(mean));
        }
        return cat(answers, 0);
    }
}
