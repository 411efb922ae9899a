using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Sums of weighted rows, and rounding to BFloat16, against torch's own.</summary>
public sealed unsafe class RowSumsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(85)]
    public void Rounds_as_torch_does(int width)
    {
        using var scope = NewDisposeScope();
        float[] edges = [0, -0f, 1, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 1.00390625f, 1.01171875f, -1.00390625f, float.Epsilon, 1e-39f, 3.3895314e38f];
        var numbers = cat([tensor(edges), Make.Normal(width, ScalarType.Float32, 500)]);
        for (long start = 0; start + width <= numbers.size(0); start += width)
        {
            var row = numbers.narrow(0, start, width).contiguous();
            var rounded = empty(width, dtype: ScalarType.BFloat16);

            RowSums.Round(HostMemory.Start<float>(row), width, HostMemory.Start<ushort>(rounded));

            Compare.SameBits(rounded.to(ScalarType.Float32).nan_to_num(12345), row.to(ScalarType.BFloat16).to(ScalarType.Float32).nan_to_num(12345), "rounded");
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(50)]
    [InlineData(128)]
    public void Adds_weighted_rows_of_both_types(int width)
    {
        using var scope = NewDisposeScope();
        var rows = Make.Normal(width, ScalarType.Float32, 3, width).to(ScalarType.BFloat16);
        var wide = rows.to(ScalarType.Float32);
        float[] weights = [0.3f, -2, 0.01f];
        var (sum, fromNarrow) = (zeros(width), zeros(width));

        for (var row = 0; row < 3; row++)
        {
            RowSums.Add(HostMemory.Start<float>(wide) + (row * width), weights[row], width, HostMemory.Start<float>(sum), first: row == 0);
            RowSums.Add(HostMemory.Start<ushort>(rows) + (row * width), weights[row], width, HostMemory.Start<float>(fromNarrow), first: row == 0);
        }

        Compare.SameBits(fromNarrow, sum, "a BFloat16 is a Float32");
        Compare.Close(sum.to(ScalarType.Float64), (tensor(weights).to(ScalarType.Float64).unsqueeze(1) * wide.to(ScalarType.Float64)).sum(dim: 0), 1e-6);
    }
}
