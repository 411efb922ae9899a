using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>Six rows times a panel: as many sums as registers hold, so that a number of the panel is loaded once for six multiplications and nothing is stored on the way.</summary>
/// <remarks>
/// A panel is [depth, <see cref="Columns"/>]: it is read in order, from the second cache if need be. 24 sums of 16 floats, 4 numbers of the panel and one of a row fill 29 of
/// the 32 registers of AVX-512; 12 sums of 8, 2 and 1 fill 15 of the 16 of AVX2. Each entry is summed over the depth in its order.
/// </remarks>
internal static unsafe class PanelTile
{
    public const int Rows = 6;

    public const int MostColumns = 64;

    private const int Wide = 16;

    public static int Columns => Vector512.IsHardwareAccelerated ? MostColumns : 2 * Count;

    /// <summary>output[i, c] = Σ_d rows[i][offset + d] · panel[d][c], added to what is there if <paramref name="adds"/>.</summary>
    /// <param name="rows">[6] pointers.</param>
    /// <param name="offset">Where in the rows to begin.</param>
    /// <param name="panel">[depth, Columns], and where the next one begins.</param>
    /// <param name="depth">Length of a sum.</param>
    /// <param name="output">[6, ≥ Columns].</param>
    /// <param name="stride">Floats from one output row to the next.</param>
    /// <param name="adds">Whether there is something in the output already.</param>
    /// <param name="streams">Whether to write past the caches, to an output that begins at multiples of 64 bytes; see <see cref="Stream"/>.</param>
    public static void Multiply(float** rows, nint offset, Panel panel, int depth, float* output, nint stride, bool adds, bool streams)
    {
        if (Vector512.IsHardwareAccelerated)
            SixByFour(rows, offset, panel, depth, output, stride, adds, streams);
        else
            SixByTwo(rows, offset, panel, depth, output, stride, adds, streams);
    }

    /// <summary>For machines without registers of 512 bits.</summary>
    internal static void SixByTwo(float** rows, nint offset, Panel panel, int depth, float* output, nint stride, bool adds, bool streams)
    {
        float* x0 = rows[0] + offset, x1 = rows[1] + offset, x2 = rows[2] + offset, x3 = rows[3] + offset, x4 = rows[4] + offset, x5 = rows[5] + offset;
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
        Vector<float> s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
        if (adds)
        {
            Read(output, out s00, out s01);
            Read(output + stride, out s10, out s11);
            Read(output + (2 * stride), out s20, out s21);
            Read(output + (3 * stride), out s30, out s31);
            Read(output + (4 * stride), out s40, out s41);
            Read(output + (5 * stride), out s50, out s51);
        }
        float* at = panel.Start, later = panel.Later;
        for (nint d = 0; d < depth; d++, at += panel.Stride, later += panel.Stride)
        {
            Prefetch(later);
            Vector<float> u = Load(at), v = Load(at + Count), x = new(x0[d]);
            s00 = Add(x, u, s00);
            s01 = Add(x, v, s01);
            x = new(x1[d]);
            s10 = Add(x, u, s10);
            s11 = Add(x, v, s11);
            x = new(x2[d]);
            s20 = Add(x, u, s20);
            s21 = Add(x, v, s21);
            x = new(x3[d]);
            s30 = Add(x, u, s30);
            s31 = Add(x, v, s31);
            x = new(x4[d]);
            s40 = Add(x, u, s40);
            s41 = Add(x, v, s41);
            x = new(x5[d]);
            s50 = Add(x, u, s50);
            s51 = Add(x, v, s51);
        }
        Write(output, s00, s01, streams);
        Write(output + stride, s10, s11, streams);
        Write(output + (2 * stride), s20, s21, streams);
        Write(output + (3 * stride), s30, s31, streams);
        Write(output + (4 * stride), s40, s41, streams);
        Write(output + (5 * stride), s50, s51, streams);
    }

    private static void SixByFour(float** rows, nint offset, Panel panel, int depth, float* output, nint stride, bool adds, bool streams)
    {
        float* x0 = rows[0] + offset, x1 = rows[1] + offset, x2 = rows[2] + offset, x3 = rows[3] + offset, x4 = rows[4] + offset, x5 = rows[5] + offset;
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        Vector512<float> s40 = default, s41 = default, s42 = default, s43 = default, s50 = default, s51 = default, s52 = default, s53 = default;
        if (adds)
        {
            Read(output, out s00, out s01, out s02, out s03);
            Read(output + stride, out s10, out s11, out s12, out s13);
            Read(output + (2 * stride), out s20, out s21, out s22, out s23);
            Read(output + (3 * stride), out s30, out s31, out s32, out s33);
            Read(output + (4 * stride), out s40, out s41, out s42, out s43);
            Read(output + (5 * stride), out s50, out s51, out s52, out s53);
        }
        float* at = panel.Start, later = panel.Later;
        for (nint d = 0; d < depth; d++, at += panel.Stride, later += panel.Stride)
        {
            Prefetch(later);
            Prefetch(later + Wide);
            Prefetch(later + (2 * Wide));
            Prefetch(later + (3 * Wide));
            Vector512<float> u = Vector512.Load(at), v = Vector512.Load(at + Wide), w = Vector512.Load(at + (2 * Wide)), y = Vector512.Load(at + (3 * Wide));
            var x = Vector512.Create(x0[d]);
            s00 = Vector512.FusedMultiplyAdd(x, u, s00);
            s01 = Vector512.FusedMultiplyAdd(x, v, s01);
            s02 = Vector512.FusedMultiplyAdd(x, w, s02);
            s03 = Vector512.FusedMultiplyAdd(x, y, s03);
            x = Vector512.Create(x1[d]);
            s10 = Vector512.FusedMultiplyAdd(x, u, s10);
            s11 = Vector512.FusedMultiplyAdd(x, v, s11);
            s12 = Vector512.FusedMultiplyAdd(x, w, s12);
            s13 = Vector512.FusedMultiplyAdd(x, y, s13);
            x = Vector512.Create(x2[d]);
            s20 = Vector512.FusedMultiplyAdd(x, u, s20);
            s21 = Vector512.FusedMultiplyAdd(x, v, s21);
            s22 = Vector512.FusedMultiplyAdd(x, w, s22);
            s23 = Vector512.FusedMultiplyAdd(x, y, s23);
            x = Vector512.Create(x3[d]);
            s30 = Vector512.FusedMultiplyAdd(x, u, s30);
            s31 = Vector512.FusedMultiplyAdd(x, v, s31);
            s32 = Vector512.FusedMultiplyAdd(x, w, s32);
            s33 = Vector512.FusedMultiplyAdd(x, y, s33);
            x = Vector512.Create(x4[d]);
            s40 = Vector512.FusedMultiplyAdd(x, u, s40);
            s41 = Vector512.FusedMultiplyAdd(x, v, s41);
            s42 = Vector512.FusedMultiplyAdd(x, w, s42);
            s43 = Vector512.FusedMultiplyAdd(x, y, s43);
            x = Vector512.Create(x5[d]);
            s50 = Vector512.FusedMultiplyAdd(x, u, s50);
            s51 = Vector512.FusedMultiplyAdd(x, v, s51);
            s52 = Vector512.FusedMultiplyAdd(x, w, s52);
            s53 = Vector512.FusedMultiplyAdd(x, y, s53);
        }
        WriteWide(output, s00, s01, s02, s03, streams);
        WriteWide(output + stride, s10, s11, s12, s13, streams);
        WriteWide(output + (2 * stride), s20, s21, s22, s23, streams);
        WriteWide(output + (3 * stride), s30, s31, s32, s33, streams);
        WriteWide(output + (4 * stride), s40, s41, s42, s43, streams);
        WriteWide(output + (5 * stride), s50, s51, s52, s53, streams);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Read(float* from, out Vector<float> a, out Vector<float> b) => (a, b) = (Load(from), Load(from + Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Read(float* from, out Vector512<float> a, out Vector512<float> b, out Vector512<float> c, out Vector512<float> d) =>
        (a, b, c, d) = (Vector512.Load(from), Vector512.Load(from + Wide), Vector512.Load(from + (2 * Wide)), Vector512.Load(from + (3 * Wide)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteWide(float* to, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, bool streams)
    {
        if (streams)
        {
            a.StoreAlignedNonTemporal(to);
            b.StoreAlignedNonTemporal(to + Wide);
            c.StoreAlignedNonTemporal(to + (2 * Wide));
            d.StoreAlignedNonTemporal(to + (3 * Wide));
        }
        else
        {
            a.Store(to);
            b.Store(to + Wide);
            c.Store(to + (2 * Wide));
            d.Store(to + (3 * Wide));
        }
    }

    /// <summary>A part of a matrix, or a copy of one.</summary>
    /// <param name="start">The first of its numbers.</param>
    /// <param name="stride">Floats from one of its rows to the next.</param>
    /// <param name="later">What of the matrix is needed next, in rows of the same stride: the memory is asked for it meanwhile. The panel itself where there is nothing to ask for.</param>
    public readonly ref struct Panel(float* start, nint stride, float* later)
    {
        public float* Start { get; } = start;

        public nint Stride { get; } = stride;

        public float* Later { get; } = later;
    }
}
