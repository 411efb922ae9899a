using System.Numerics;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>aᵀ · x for few rows: the gradient of a weight, a sum of outer products.</summary>
/// <remarks>Each entry is summed over the rows in their order: the bits do not depend on how ranges are split.</remarks>
internal static unsafe class OuterProducts
{
    /// <summary>gradient[r, j] = Σ_i a[i][r] · rows[i][j] for r in [from, to), j in [0, width). What was there is overwritten.</summary>
    /// <param name="a">[count] pointers to rows of at least to floats.</param>
    /// <param name="rows">[count] pointers to rows of width floats.</param>
    /// <param name="count">Number of rows; 0 gives zeros.</param>
    /// <param name="width">Columns of the gradient.</param>
    /// <param name="from">First row of the gradient.</param>
    /// <param name="to">One past the last.</param>
    /// <param name="gradient">[≥ to, width], contiguous; only rows [from, to) are written.</param>
    /// <remarks>
    /// Writing decides. Registers hold whole sums, so that each cache line is written once, and past the caches where it is aligned: they keep what is
    /// needed sooner than a gradient, and no line is read only to be overwritten. On a Zen 4 core, up to four rows take half the time so: 27 GB/s written.
    /// </remarks>
    public static void Sum(float** a, float** rows, int count, int width, int from, int to, float* gradient)
    {
        var streams = (nuint)gradient % (nuint)(sizeof(float) * Count) == 0 && width % Count == 0;
        var r = from;
        for (; r + 6 <= to; r += 6)
            Six(a, r, rows, count, width, gradient + ((nint)r * width), streams);
        for (; r < to; r++)
            One(a, r, rows, count, width, gradient + ((nint)r * width), streams);
        if (streams)
            Fence();
    }

    /// <summary>6 × 2 sums, 2 inputs and a number of a fill 15 registers: 12 multiplications for 8 loads.</summary>
    private static void Six(float** a, int r, float** rows, int count, int width, float* g0, bool streams)
    {
        float* g1 = g0 + width, g2 = g1 + width, g3 = g2 + width, g4 = g3 + width, g5 = g4 + width;
        var j = 0;
        for (; j + (2 * Count) <= width; j += 2 * Count)
        {
            Vector<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default;
            Vector<float> t0 = default, t1 = default, t2 = default, t3 = default, t4 = default, t5 = default;
            for (var i = 0; i < count; i++)
            {
                Vector<float> x = Load(rows[i] + j), y = Load(rows[i] + j + Count);
                var at = a[i] + r;
                Vector<float> b = new(at[0]);
                s0 = Add(b, x, s0);
                t0 = Add(b, y, t0);
                b = new(at[1]);
                s1 = Add(b, x, s1);
                t1 = Add(b, y, t1);
                b = new(at[2]);
                s2 = Add(b, x, s2);
                t2 = Add(b, y, t2);
                b = new(at[3]);
                s3 = Add(b, x, s3);
                t3 = Add(b, y, t3);
                b = new(at[4]);
                s4 = Add(b, x, s4);
                t4 = Add(b, y, t4);
                b = new(at[5]);
                s5 = Add(b, x, s5);
                t5 = Add(b, y, t5);
            }
            Write(g0 + j, s0, t0, streams);
            Write(g1 + j, s1, t1, streams);
            Write(g2 + j, s2, t2, streams);
            Write(g3 + j, s3, t3, streams);
            Write(g4 + j, s4, t4, streams);
            Write(g5 + j, s5, t5, streams);
        }
        for (var row = 0; row < 6; row++)
            Rest(a, r + row, rows, count, j, width, g0 + ((nint)row * width));
    }

    private static void One(float** a, int r, float** rows, int count, int width, float* gradient, bool streams)
    {
        var j = 0;
        for (; j + (2 * Count) <= width; j += 2 * Count)
        {
            Vector<float> s = default, t = default;
            for (var i = 0; i < count; i++)
            {
                Vector<float> b = new(a[i][r]);
                s = Add(b, Load(rows[i] + j), s);
                t = Add(b, Load(rows[i] + j + Count), t);
            }
            Write(gradient + j, s, t, streams);
        }
        Rest(a, r, rows, count, j, width, gradient);
    }

    /// <summary>The columns that fill no pair of registers, in the same order.</summary>
    private static void Rest(float** a, int r, float** rows, int count, int done, int width, float* gradient)
    {
        for (var j = done; j < width; j++)
        {
            var sum = 0f;
            for (var i = 0; i < count; i++)
                sum = MathF.FusedMultiplyAdd(a[i][r], rows[i][j], sum);
            gradient[j] = sum;
        }
    }
}
