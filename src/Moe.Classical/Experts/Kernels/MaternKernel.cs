using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The Matérn kernels with closed forms (Rasmussen and Williams 2006, equation 4.17).</summary>
/// <remarks>ν = 1/2: exp(-r); 3/2: (1 + √3 r) exp(-√3 r); 5/2: (1 + √5 r + 5 r² / 3) exp(-√5 r).</remarks>
public sealed record MaternKernel : StationaryKernel
{
    private static readonly Scalar Root3 = Math.Sqrt(3);
    private static readonly Scalar Root5 = Math.Sqrt(5);
    private static readonly Scalar FiveThirds = 5.0 / 3;
    private static readonly Scalar MinusFiveSixths = -5.0 / 6;
    private static readonly Scalar MinusThreeHalves = -1.5;

    /// <summary>How smooth the functions are.</summary>
    /// <value>The default is <see cref="MaternSmoothness.FiveHalves"/>.</value>
    public MaternSmoothness Smoothness { get; init; } = MaternSmoothness.FiveHalves;

    internal override Tensor OfSquares(Tensor squares)
    {
        var distance = squares.sqrt();
        switch (Smoothness)
        {
            case MaternSmoothness.Half:
                return distance.neg().exp();
            case MaternSmoothness.ThreeHalves:
                var three = distance.mul(Root3);
                return three.neg().exp().mul(three.add(KeptScalars.One));
            default:
                var five = distance.mul(Root5);
                return five.neg().exp().mul(five.add(KeptScalars.One).add(squares.mul(FiveThirds), KeptScalars.One));
        }
    }

    internal override Tensor SlopeOfSquares(Tensor squares)
    {
        var distance = squares.sqrt();
        switch (Smoothness)
        {
            case MaternSmoothness.Half:
                var slope = distance.neg().exp().div(distance).mul(KeptScalars.MinusHalf);
                foreach (ref var value in HostMemory.Of<double>(slope))
                    value = double.IsFinite(value) ? value : 0;
                return slope;
            case MaternSmoothness.ThreeHalves:
                return distance.mul(Root3).neg().exp().mul(MinusThreeHalves);
            default:
                var five = distance.mul(Root5);
                return five.neg().exp().mul(five.add(KeptScalars.One)).mul(MinusFiveSixths);
        }
    }

    internal override void Check(OptionFailures failures, long width)
    {
        base.Check(failures, width);
        failures.Require(Enum.IsDefined(Smoothness), $"{nameof(Smoothness)} is {Smoothness}; it must be one of the named values.");
    }
}
