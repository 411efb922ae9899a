using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The radial basis function, exp(-r² / 2): functions that are smooth without end (Rasmussen and Williams 2006, equation 4.9).</summary>
public sealed record RbfKernel : StationaryKernel
{
    internal override Tensor OfSquares(Tensor squares) => squares.mul(KeptScalars.MinusHalf).exp();

    internal override Tensor SlopeOfSquares(Tensor squares) => OfSquares(squares).mul(KeptScalars.MinusHalf);
}
