using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted kernel ridge regression, f(x) = Σ α_i k(x, x_i) + b.</summary>
public sealed class KernelRidgeExpert : ClassicalExpert, IOutOfSample, IParametric, IStoredExpert
{
    internal const string StateKind = "kernel-ridge";

    private readonly WeightedScaling _scaling;
    private readonly Tensor _inputs;
    private readonly Tensor _alpha;
    private readonly Tensor _leftOut;

    private KernelRidgeExpert(Kernel kernel, double ridge, double intercept, double freedom, WeightedScaling scaling, Tensor inputs, Tensor alpha, Tensor leftOut)
        : base(scaling.Mean.Length, 1)
    {
        Kernel = kernel;
        Ridge = ridge;
        Intercept = intercept;
        DegreesOfFreedom = freedom;
        _scaling = scaling;
        _inputs = inputs.DetachFromDisposeScope();
        _alpha = alpha.DetachFromDisposeScope();
        _leftOut = leftOut.DetachFromDisposeScope();
    }

    /// <summary>The kernel, with the length scales that were chosen, for standardised inputs if they were asked for.</summary>
    public Kernel Kernel { get; }

    /// <summary>λ, as given or chosen.</summary>
    public double Ridge { get; }

    /// <summary>b, not penalised.</summary>
    public double Intercept { get; }

    /// <summary>The trace of the matrix from responses to fitted values, the intercept included.</summary>
    public double DegreesOfFreedom { get; }

    /// <summary>What a refit may know of the length scales; null if none was chosen, or the expert was read from a file.</summary>
    internal ScaleMemory? Scales { get; private init; }

    /// <inheritdoc/>
    /// <remarks>
    /// Exact for the penalty λ Σw of the whole fit, the intercept solved again (Cawley 2006: α_i over the diagonal of the inverse of the bordered matrix), with scaling, ridge
    /// and length scale held. Rows without weight in the fit get plain predictions. A single row, without any other to answer from, gets the intercept.
    /// </remarks>
    public Tensor OutOfSample() => _leftOut.clone();

    /// <inheritdoc/>
    public ExpertState ToState() => new ExpertState(StateKind)
        .Set("ridge", Ridge).Set("intercept", Intercept).Set("freedom", DegreesOfFreedom).Set("mean", _scaling.Mean).Set("deviation", _scaling.Deviation)
        .Add("kernel", KernelStates.Write(Kernel)).Add("inputs", _inputs).Add("alpha", _alpha).Add("leftOut", _leftOut);

    internal static KernelRidgeExpert FromState(ExpertState state)
    {
        var scaling = new WeightedScaling(state.Get<double[]>("mean"), state.Get<double[]>("deviation"));
        var inputs = state.GetTensor("inputs", -1, scaling.Mean.Length);
        return new KernelRidgeExpert(KernelStates.Read(state.Child("kernel")), state.Get<double>("ridge"), state.Get<double>("intercept"), state.Get<double>("freedom"), scaling,
            inputs, state.GetTensor("alpha", inputs.size(0), 1), state.GetTensor("leftOut", -1, 1));
    }

    /// <summary>Solves the bordered system for rows that are chosen and scaled; weights of mean 1. All rows of the fit are given to answer those left out.</summary>
    internal static KernelRidgeExpert Solve(KernelRidgeChoice choice, WeightedScaling scaling, WeightedScaling level, Tensor inputs, Tensor response, Tensor weights, Tensor all, int[] places)
    {
        var (kernel, ridge) = (choice.Kernel, choice.Ridge);
        var rows = places.Length;
        var matrix = kernel.Compute(inputs, inputs);
        var entries = HostMemory.Of<double>(matrix);
        var shares = HostMemory.Of<double>(weights);
        for (var row = 0; row < rows; row++)
            entries[(row * rows) + row] += ridge * rows / shares[row];
        var inverse = SafeCholesky.Inverse(matrix, out _)
            ?? throw new ArgumentException($"The kernel matrix of {rows} rows is not positive definite; a larger ridge than {ridge} may help.", nameof(inputs));

        // P = A⁻¹ - A⁻¹ 1 1ᵀ A⁻¹ / 1ᵀ A⁻¹ 1 takes responses, around any level, to α.
        var unit = inverse.sum(dim: 1);
        var ones = unit.sum();
        var centred = response.sub(tensor(level.Mean[0], dtype: ScalarType.Float64));
        var solved = inverse.matmul(centred);
        var shift = solved.sum().div(ones);
        var alpha = solved.sub(unit.mul(shift)).unsqueeze(1).contiguous();
        var diagonal = inverse.diagonal().sub(unit.mul(unit).div(ones)).contiguous();
        var intercept = level.Mean[0] + shift.item<double>();

        var freedom = (double)rows;
        var spread = HostMemory.Of<double>(diagonal);
        for (var row = 0; row < rows; row++)
            freedom -= ridge * rows / shares[row] * spread[row];
        freedom = rows == 1 ? 1 : Math.Clamp(freedom, 1, rows);
        var draft = new KernelRidgeExpert(kernel, ridge, intercept, freedom, scaling, inputs.alias(), alpha.alias(), empty(0, 1, dtype: ScalarType.Float64));
        var leftOut = places.Length == all.size(0) ? zeros(all.size(0), 1, dtype: ScalarType.Float64) : draft.Predict(all);
        var answers = HostMemory.Of<double>(leftOut);
        var values = HostMemory.Of<double>(response);
        var parts = HostMemory.Of<double>(alpha);
        for (var row = 0; row < rows; row++)
            answers[places[row]] = rows == 1 || !(spread[row] > 0) ? intercept : values[row] - (parts[row] / spread[row]);
        draft._inputs.Dispose();
        draft._alpha.Dispose();
        draft._leftOut.Dispose();
        return new KernelRidgeExpert(kernel, ridge, intercept, freedom, scaling, inputs.clone(), alpha, leftOut) { Scales = choice.Scales };
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        var answers = new List<Tensor>();
        var step = SquaredDistances.BlockRows(_inputs.size(0));
        for (var start = 0L; start < rows.size(0); start += step)
        {
            using var scope = NewDisposeScope();
            var block = _scaling.Apply(rows.narrow(0, start, Math.Min(step, rows.size(0) - start)));
            answers.Add(scope.MoveToOuter(Kernel.Compute(block, _inputs).matmul(_alpha).add(tensor(Intercept, dtype: ScalarType.Float64), KeptScalars.One)));
        }
        return cat(answers, 0);
    }
}
