using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Squared distances of all pairs of rows.</summary>
internal static class SquaredDistances
{
    /// <summary>Most numbers of a block of pairs: 16 MiB.</summary>
    public const long BlockNumbers = 1 << 21;

    private const long NarrowWidth = 8;
    private static readonly Scalar MinusTwo = -2.0;

    /// <summary>Rows of new data that make a block with a number of known rows.</summary>
    public static long BlockRows(long known) => Math.Max(1, BlockNumbers / Math.Max(1, known));

    /// <summary>|a|² + |b|² - 2 a·b by one product, or differences where rows are narrow: at least 0; 0 exactly for equal narrow rows.</summary>
    public static Tensor Of(Tensor left, Tensor right)
    {
        if (left.size(1) <= NarrowWidth)
            return Narrow(left, right);

        // Around the mean the norms are small, and with them what the difference loses.
        var centre = right.mean([0L], keepdim: true);
        var first = left.sub(centre);
        var second = right.sub(centre);
        var squares = first.matmul(second.t()).mul_(MinusTwo)
            .add_(first.mul(first).sum(dim: 1, keepdim: true), KeptScalars.One).add_(second.mul(second).sum(dim: 1, keepdim: true).t(), KeptScalars.One).relu_();
        if (ReferenceEquals(left, right))
        {
            var values = HostMemory.Of<double>(squares);
            var rows = (int)left.size(0);
            for (var row = 0; row < rows; row++)
                values[(row * rows) + row] = 0;
        }
        return squares;
    }

    private static Tensor Narrow(Tensor left, Tensor right)
    {
        var width = (int)left.size(1);
        var columns = (int)right.size(0);
        var squares = empty(left.size(0), right.size(0), dtype: ScalarType.Float64, device: CPU);
        var first = HostMemory.Of<double>(left);
        var second = HostMemory.Of<double>(right);
        var values = HostMemory.Of<double>(squares);
        for (var row = 0; row * width < first.Length; row++)
        {
            var from = first.Slice(row * width, width);
            var into = values.Slice(row * columns, columns);
            for (var column = 0; column < columns; column++)
            {
                var sum = 0.0;
                for (var place = 0; place < width; place++)
                {
                    var difference = from[place] - second[(column * width) + place];
                    sum += difference * difference;
                }
                into[column] = sum;
            }
        }
        return squares;
    }
}
