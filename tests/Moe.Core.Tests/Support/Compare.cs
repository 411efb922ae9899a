using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Equality of tensors as the tests mean it: shape and type always, values within a stated distance or to the bit.</summary>
internal static class Compare
{
    public static void Close(Tensor actual, Tensor expected, double tolerance, string what = "tensor")
    {
        actual.dtype.Should().Be(expected.dtype, "that is the type of {0}", what);
        actual.shape.Should().Equal(expected.shape, "that is the shape of {0}", what);
        Distance(actual, expected).Should().BeLessThanOrEqualTo(tolerance, "{0} must agree", what);
    }

    public static void SameBits(Tensor actual, Tensor expected, string what = "tensor")
    {
        actual.dtype.Should().Be(expected.dtype, "that is the type of {0}", what);
        actual.shape.Should().Equal(expected.shape, "that is the shape of {0}", what);
        Bits(actual).AsSpan().SequenceEqual(Bits(expected)).Should().BeTrue("{0} must agree to the bit", what);
    }

    /// <summary>The largest absolute difference; NaN counts as infinitely far.</summary>
    public static double Distance(Tensor left, Tensor right)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (left.numel() == 0)
            return 0;
        var distance = (left.to(ScalarType.Float64) - right.to(ScalarType.Float64)).abs().max().item<double>();
        return double.IsNaN(distance) ? double.PositiveInfinity : distance;
    }

    public static byte[] Bits(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().cpu().contiguous().clone().bytes.ToArray();
    }

    public static double[] Doubles(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    public static long[] Longs(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.to(ScalarType.Int64).contiguous().data<long>().ToArray();
    }

    public static bool[] Bools(Tensor tensor) => [.. Longs(tensor).Select(value => value != 0)];
}
