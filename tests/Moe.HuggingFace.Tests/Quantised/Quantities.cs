using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>What the tests of quantised weights are made of and compared by.</summary>
internal static class Quantities
{
    public static Tensor Normal(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, dtype: ScalarType.Float64, generator: generator, device: CPU);
    }

    public static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] Bits(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().contiguous().clone().bytes.ToArray();
    }

    /// <summary>Type, shape and bits; a NaN is a NaN, whatever its bits.</summary>
    public static void SameBits(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        actual.dtype.Should().Be(expected.dtype);
        actual.shape.Should().Equal(expected.shape);
        var (first, second) = (actual.isnan(), expected.isnan());
        Bits(first).AsSpan().SequenceEqual(Bits(second)).Should().BeTrue("both must be NaN in the same places");
        Bits(actual.detach().masked_fill(first, 0)).AsSpan().SequenceEqual(Bits(expected.detach().masked_fill(second, 0))).Should().BeTrue("the bits must agree");
    }

    public static double Distance(Tensor left, Tensor right)
    {
        using var scope = NewDisposeScope();
        left.shape.Should().Equal(right.shape);
        return (left.detach().to(ScalarType.Float64) - right.detach().to(ScalarType.Float64)).abs().max().item<double>();
    }

    /// <summary>Tensors that an action leaves alive.</summary>
    public static long LeftAlive(Action action)
    {
        DisposeScopeManager.Statistics.Reset();
        action();
        return DisposeScopeManager.Statistics.ThreadTotalLiveCount;
    }
}
