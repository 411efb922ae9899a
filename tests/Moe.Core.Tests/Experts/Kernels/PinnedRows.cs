using System.Runtime.InteropServices;

namespace Moe.Core.Tests;

/// <summary>A matrix that does not move, in memory that is NaN around it and between its rows: what reads there spoils its result, what writes there is seen.</summary>
internal sealed unsafe class PinnedRows
{
    private const int Margin = 40;
    private readonly float[] _memory;
    private readonly nint[] _rows;
    private readonly int _start;

    public PinnedRows(int count, int width, int gap = 0, int shift = 0)
    {
        (Count, Width, Stride) = (count, width, width + gap);
        _memory = GC.AllocateUninitializedArray<float>((count * Stride) + (2 * Margin), pinned: true);
        Array.Fill(_memory, float.NaN);
        var address = (nint)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        // From an address that is a multiple of 64, and shift from there.
        _start = (int)(((64 - (address % 64)) % 64 / sizeof(float)) + shift);
        _rows = GC.AllocateArray<nint>(Math.Max(count, 1), pinned: true);
        for (var row = 0; row < count; row++)
            _rows[row] = (nint)(Start + (row * Stride));
    }

    public static PinnedRows Normal(Random random, int count, int width, int gap = 0)
    {
        var rows = new PinnedRows(count, width, gap, random.Next(16));
        for (var row = 0; row < count; row++)
            for (var column = 0; column < width; column++)
                rows[row, column] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return rows;
    }

    public int Count { get; }

    public int Width { get; }

    public int Stride { get; }

    public float* Start => (float*)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, _start);

    public float** Rows => (float**)Marshal.UnsafeAddrOfPinnedArrayElement(_rows, 0);

    public ref float this[int row, int column] => ref _memory[_start + (row * Stride) + column];

    public bool IsUntouchedOutside(Func<int, int, bool> written) => Enumerable.Range(0, _memory.Length).All(at =>
        float.IsNaN(_memory[at]) || (at >= _start && (at - _start) / Stride < Count && written((at - _start) / Stride, (at - _start) % Stride)));

    public bool HasBitsOf(PinnedRows other) => Enumerable.Range(0, Count * Width).All(at =>
        BitConverter.SingleToInt32Bits(this[at / Width, at % Width]) == BitConverter.SingleToInt32Bits(other[at / Width, at % Width]));
}
