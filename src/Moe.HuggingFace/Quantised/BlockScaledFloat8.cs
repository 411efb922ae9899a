namespace Moe.HuggingFace;

/// <summary>
/// Matrices of E4M3 with one scale for each square of 128 by 128 numbers, as DeepSeek-V3 publishes them: <c>weight</c> [out, in] in F8_E4M3 and
/// <c>weight_scale_inv</c> [⌈out/128⌉, ⌈in/128⌉] in F32. A number is its code times the scale of its square.
/// </summary>
/// <remarks>At the lower and the right edge squares may be cut off. Products are rounded to Float32 once.</remarks>
public static class BlockScaledFloat8
{
    /// <summary>Rows and columns of a square, where nothing else is said.</summary>
    public const int BlockSize = 128;

    /// <summary>Decodes a matrix, or whole rows of one that begin where a square does.</summary>
    /// <param name="codes">[out, in], row by row.</param>
    /// <param name="columns">in.</param>
    /// <param name="scales">[⌈out/size⌉, ⌈in/size⌉], row by row: what a code is multiplied with, in spite of the name that checkpoints give it.</param>
    /// <param name="destination">[out, in].</param>
    /// <param name="blockSize">Rows and columns of a square.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other.</exception>
    public static void Decode(ReadOnlySpan<byte> codes, int columns, ReadOnlySpan<float> scales, Span<float> destination, int blockSize = BlockSize)
    {
        RequireLengths(codes.Length, columns, scales.Length, destination.Length, blockSize);
        var numbers = Float8.E4M3.Numbers;
        foreach (var (start, count, square) in new Runs(codes.Length, columns, blockSize))
        {
            var source = codes.Slice(start, count);
            var target = destination.Slice(start, count);
            var scale = scales[square];
            for (var place = 0; place < source.Length; place++)
                target[place] = numbers[source[place]] * scale;
        }
    }

    /// <summary>Encodes a matrix: each square's scale is its largest number by 448, so that nothing overflows.</summary>
    /// <param name="numbers">[out, in], row by row.</param>
    /// <param name="columns">in.</param>
    /// <param name="codes">[out, in].</param>
    /// <param name="scales">[⌈out/size⌉, ⌈in/size⌉]; 1 for a square of zeros.</param>
    /// <param name="blockSize">Rows and columns of a square.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other, or a number is not finite.</exception>
    public static void Encode(ReadOnlySpan<float> numbers, int columns, Span<byte> codes, Span<float> scales, int blockSize = BlockSize)
    {
        RequireLengths(codes.Length, columns, scales.Length, numbers.Length, blockSize);
        scales.Clear();
        foreach (var (start, count, square) in new Runs(numbers.Length, columns, blockSize))
        {
            foreach (var number in numbers.Slice(start, count))
                scales[square] = float.MaxMagnitude(scales[square], Math.Abs(number));
        }
        foreach (ref var scale in scales)
        {
            if (!float.IsFinite(scale))
                throw new ArgumentException("Expected finite numbers, got NaN or an infinity.", nameof(numbers));

            // Zero, or so small that its 448th would be subnormal and lose bits: everything becomes 0.
            scale = scale / Float8.LargestE4M3 is >= float.Epsilon * (1 << 23) and var usual ? usual : 1;
        }
        foreach (var (start, count, square) in new Runs(numbers.Length, columns, blockSize))
        {
            for (var place = start; place < start + count; place++)
                codes[place] = Float8.E4M3.Encode(numbers[place] / scales[square], saturate: true);
        }
    }

    private static void RequireLengths(int codes, int columns, int scales, int numbers, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSize, 1);
        if (codes % columns != 0 || codes != numbers)
            throw new ArgumentException($"Expected rows of {columns} codes and as many numbers, got {codes} codes and {numbers} numbers.", nameof(codes));
        var (down, across) = (Squares(codes / columns, blockSize), Squares(columns, blockSize));
        if (scales != (long)down * across)
        {
            throw new ArgumentException(
                $"Expected {down} by {across} scales for {codes / columns} by {columns} codes in squares of {blockSize}, got {scales}.", nameof(scales));
        }
    }

    private static int Squares(int length, int blockSize) => (int)(((long)length + blockSize - 1) / blockSize);

    /// <summary>The pieces of the rows, each within one square.</summary>
    private ref struct Runs(int length, int columns, int blockSize)
    {
        private int _start;
        private int _count;

        public readonly (int Start, int Count, int Square) Current
        {
            get
            {
                var (row, column) = Math.DivRem(_start, columns);
                return (_start, _count, (row / blockSize * Squares(columns, blockSize)) + (column / blockSize));
            }
        }

        public readonly Runs GetEnumerator() => this;

        public bool MoveNext()
        {
            _start += _count;
            _count = Math.Min(blockSize, columns - (_start % columns));
            return _start < length;
        }
    }
}
