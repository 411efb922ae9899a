using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What SwiGLU experts of a stack are asked: all tensors contiguous and on the host.</summary>
/// <param name="Tokens">[T, D].</param>
/// <param name="Weights">The router's, [T, K], Float32 or Float64; 0 where an assignment is not kept.</param>
/// <param name="In">W_gate above W_up, [E, 2F, D].</param>
/// <param name="Out">W_down, [E, Dout, F].</param>
/// <param name="Plan">Who is asked about what.</param>
internal readonly record struct SwiGluCall(Tensor Tokens, Tensor Weights, Tensor In, Tensor Out, FusedPlan Plan)
{
    private const long MostNumbers = 1L << 30;

    /// <summary>F.</summary>
    public long Hidden => In.size(1) / 2;

    /// <summary>
    /// Whether loops of our own compute the experts (<see cref="FloatExperts"/>), or products of torch (<see cref="TorchExperts"/>): all is Float32, the machine is up to it, and what is kept
    /// has at most 2³⁰ numbers, so that no task needs a larger array than there can be.
    /// </summary>
    public bool ByLoops =>
        Tokens.dtype == ScalarType.Float32 && Weights.dtype == ScalarType.Float32 && Lanes.AreFast && Plan.Rows * In.size(1) <= MostNumbers;

    /// <summary>The token of each row, [M], Int64.</summary>
    public Tensor TokenOfRow() => Plan.Assignments.div(Plan.TopK, RoundingMode.floor);

    /// <summary>The weight of each row, [M], of the tokens' type.</summary>
    public Tensor WeightOfRow() => Weights.reshape(-1).index_select(0, Plan.Assignments).to(Tokens.dtype);
}

/// <summary>Where the gradients of a call go; null where nobody wants one.</summary>
/// <param name="In">By <see cref="SwiGluCall.In"/>.</param>
/// <param name="Out">By <see cref="SwiGluCall.Out"/>.</param>
/// <param name="WeightOfRow">By the weight of each row, [M], of the router's type.</param>
/// <param name="WantsRows">Whether somebody wants those by the tokens.</param>
internal readonly record struct SwiGluGradients(Tensor? In, Tensor? Out, Tensor WeightOfRow, bool WantsRows);
