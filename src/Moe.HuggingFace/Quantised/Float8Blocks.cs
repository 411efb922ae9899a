using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// Tensors of 8-bit floats with a scale for each square of 128 by 128 numbers, as DeepSeek-V3 publishes them, on their own or stacked: [.., out, in] with scales
/// [.., ⌈out/128⌉, ⌈in/128⌉] in Float32 or, as Qwen3 has them, BFloat16. Only the last two dimensions are divided; each matrix of a stack begins with squares of its own.
/// </summary>
internal static class Float8Blocks
{
    private const int Size = BlockScaledFloat8.BlockSize;

    private const string ScaleSuffix = "_scale_inv";

    /// <summary>What the scales of a tensor are called.</summary>
    public static string ScaleName(string name) => name + ScaleSuffix;

    /// <summary>Whether scales are called so.</summary>
    public static bool IsScaleName(string name) => name.EndsWith(ScaleSuffix, StringComparison.Ordinal);

    /// <summary>The shape of the scales of a tensor.</summary>
    /// <param name="shape">Of at least two dimensions.</param>
    public static long[] ScaleShape(IReadOnlyList<long> shape) => [.. shape.SkipLast(2), Squares(shape[^2]), Squares(shape[^1])];

    /// <summary>Whether scales may be of a type.</summary>
    public static bool IsScale(ElementType type) => type is ElementType.Float32 or ElementType.BFloat16;

    /// <summary>How many squares a number of rows or columns makes.</summary>
    public static long Squares(long length) => (length + Size - 1) / Size;

    /// <summary>The numbers of a piece times their scales, in Float32.</summary>
    public static Tensor Decoded(ITensorStore store, PublishedTensor tensor, WeightPiece piece)
    {
        var numbers = new float[piece.Count];
        Decode(store, tensor.Name, piece.First, numbers);
        return TorchSharp.torch.tensor(numbers, piece.Shape);
    }

    /// <summary>Any stretch of a tensor's numbers, row by row.</summary>
    /// <param name="store">Where the tensor and its scales are; their shapes have been checked.</param>
    /// <param name="name">Which tensor.</param>
    /// <param name="first">The first number, counted in the whole tensor.</param>
    /// <param name="numbers">Filled as a whole.</param>
    public static void Decode(ITensorStore store, string name, long first, Span<float> numbers)
    {
        if (numbers.IsEmpty)
            return;
        var shape = store.Entries[name].Shape;
        var (rows, columns) = (shape[^2], shape[^1]);
        var (down, across) = (Squares(rows), Squares(columns));
        var (firstRow, lastRow) = (ScaleRow(first), ScaleRow(first + numbers.Length - 1));
        var codes = new byte[numbers.Length];
        store.Read(name, first, codes);
        var scales = Scales(store, ScaleName(name), firstRow * across, (lastRow - firstRow + 1) * across);

        var decoded = Float8.E4M3.Numbers;
        for (var start = 0; start < numbers.Length;)
        {
            var column = (first + start) % columns;
            var ofRow = scales.AsSpan((int)((ScaleRow(first + start) - firstRow) * across), (int)across);
            var rowEnd = Math.Min(numbers.Length, start + columns - column);
            while (start < rowEnd)
            {
                // What is left of the row in this square.
                var scale = ofRow[(int)(column / Size)];
                var end = (int)Math.Min(rowEnd, start + Size - (column % Size));
                column += end - start;
                for (; start < end; start++)
                    numbers[start] = decoded[codes[start]] * scale;
            }
        }

        long ScaleRow(long place)
        {
            var (matrix, row) = Math.DivRem(place / columns, rows);
            return (matrix * down) + (row / Size);
        }
    }

    private static float[] Scales(ITensorStore store, string name, long first, long count)
    {
        var scales = new float[count];
        if (store.Entries[name].Type == ElementType.Float32)
        {
            store.Read(name, first * sizeof(float), MemoryMarshal.AsBytes(scales.AsSpan()));
            return scales;
        }

        // A BFloat16 is the upper half of a Float32.
        var halves = new ushort[count];
        store.Read(name, first * sizeof(ushort), MemoryMarshal.AsBytes(halves.AsSpan()));
        for (var place = 0; place < halves.Length; place++)
            scales[place] = BitConverter.Int32BitsToSingle(halves[place] << 16);
        return scales;
    }
}
