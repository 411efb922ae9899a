using System.Numerics;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>x · Wᵀ for few rows x: each entry is the dot product of an input row and a weight row.</summary>
/// <remarks>
/// Lane l of a register sums the products l, l + lanes, … in their order, whatever the tile: the bits of an entry depend neither on the count of rows nor on how ranges are split.
/// </remarks>
internal static unsafe class DotProducts
{
    /// <summary>output[i, r] = Σ_d rows[i][d] · weight[r, d] for r in [from, to).</summary>
    /// <param name="rows">[count] pointers to rows of width floats.</param>
    /// <param name="count">Number of rows; may be 0.</param>
    /// <param name="weight">[≥ to, width], contiguous.</param>
    /// <param name="width">Length of a dot product; 0 gives zeros.</param>
    /// <param name="from">First weight row.</param>
    /// <param name="to">One past the last.</param>
    /// <param name="output">[count, ≥ to]; only columns [from, to) are written.</param>
    /// <param name="outputStride">Floats from one output row to the next.</param>
    public static void Multiply(float** rows, int count, float* weight, int width, int from, int to, float* output, nint outputStride)
    {
        var r = from;
        for (; count > 2 && r + 3 <= to; r += 3)
            ThreeWeightRows(rows, count, weight + ((nint)r * width), width, output + r, outputStride);
        for (; r < to; r++)
            OneWeightRow(rows, count, weight + ((nint)r * width), width, output + r, outputStride);
    }

    /// <summary>
    /// The memory is faster the more it is read in sequence: while three weight rows are used, it is asked for three later ones as the one piece that they are.
    /// Each group of four rows asks for its share, or the requests would queue up in the first.
    /// </summary>
    private static void ThreeWeightRows(float** rows, int count, float* weight, int width, float* output, nint stride)
    {
        var (i, groups, block) = (0, count / 4, 3 * (nint)width);
        var later = weight + (block * ((Ahead / Math.Max(1, block)) + 1));
        for (; i + 4 <= count; i += 4)
            ThreeByFour(rows + i, weight, width, output + (i * stride), stride, later + (block * (i / 4) / groups), 3 * Count / groups);
        // After a group of four all has been asked for: a step of 0 asks for what is there.
        var next = groups == 0 ? later : weight;
        var step = groups == 0 ? 3 * Count : 0;
        if (i + 2 <= count)
        {
            ThreeByTwo(rows + i, weight, width, output + (i * stride), stride, next, step);
            i += 2;
        }
        if (i < count)
            ThreeByOne(rows[i], weight, width, output + (i * stride), next, step);
    }

    /// <summary>
    /// 3 × 4 sums, 3 weights and an input fill the 16 registers of AVX2, and 7 loads feed 12 multiplications: 100 GFLOP/s from the caches of a Zen 4 core, where
    /// one weight row by eight rows, with 9 loads for 8, gave 64.
    /// </summary>
    private static void ThreeByFour(float** rows, float* w0, int width, float* output, nint stride, float* next, int step)
    {
        float* x0 = rows[0], x1 = rows[1], x2 = rows[2], x3 = rows[3], w1 = w0 + width, w2 = w1 + width;
        Vector<float> s00 = default, s01 = default, s02 = default, s03 = default;
        Vector<float> s10 = default, s11 = default, s12 = default, s13 = default;
        Vector<float> s20 = default, s21 = default, s22 = default, s23 = default;
        var d = 0;
        for (; d + Count <= width; d += Count, next += step)
        {
            Prefetch(next);
            Prefetch(next + 16);
            Vector<float> u0 = Load(w0 + d), u1 = Load(w1 + d), u2 = Load(w2 + d), x = Load(x0 + d);
            s00 = Add(x, u0, s00);
            s10 = Add(x, u1, s10);
            s20 = Add(x, u2, s20);
            x = Load(x1 + d);
            s01 = Add(x, u0, s01);
            s11 = Add(x, u1, s11);
            s21 = Add(x, u2, s21);
            x = Load(x2 + d);
            s02 = Add(x, u0, s02);
            s12 = Add(x, u1, s12);
            s22 = Add(x, u2, s22);
            x = Load(x3 + d);
            s03 = Add(x, u0, s03);
            s13 = Add(x, u1, s13);
            s23 = Add(x, u2, s23);
        }
        float* o0 = output, o1 = o0 + stride, o2 = o1 + stride, o3 = o2 + stride;
        (o0[0], o0[1], o0[2]) = (Vector.Sum(s00), Vector.Sum(s10), Vector.Sum(s20));
        (o1[0], o1[1], o1[2]) = (Vector.Sum(s01), Vector.Sum(s11), Vector.Sum(s21));
        (o2[0], o2[1], o2[2]) = (Vector.Sum(s02), Vector.Sum(s12), Vector.Sum(s22));
        (o3[0], o3[1], o3[2]) = (Vector.Sum(s03), Vector.Sum(s13), Vector.Sum(s23));
        for (var i = 0; i < 4 && d < width; i++)
            Rest(rows[i], w0, 3, d, width, output + (i * stride));
    }

    private static void ThreeByTwo(float** rows, float* w0, int width, float* output, nint stride, float* next, int step)
    {
        float* x0 = rows[0], x1 = rows[1], w1 = w0 + width, w2 = w1 + width;
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
        var d = 0;
        for (; d + Count <= width; d += Count, next += step)
        {
            Prefetch(next);
            Prefetch(next + 16);
            Vector<float> u0 = Load(w0 + d), u1 = Load(w1 + d), u2 = Load(w2 + d), x = Load(x0 + d);
            s00 = Add(x, u0, s00);
            s10 = Add(x, u1, s10);
            s20 = Add(x, u2, s20);
            x = Load(x1 + d);
            s01 = Add(x, u0, s01);
            s11 = Add(x, u1, s11);
            s21 = Add(x, u2, s21);
        }
        float* o0 = output, o1 = o0 + stride;
        (o0[0], o0[1], o0[2]) = (Vector.Sum(s00), Vector.Sum(s10), Vector.Sum(s20));
        (o1[0], o1[1], o1[2]) = (Vector.Sum(s01), Vector.Sum(s11), Vector.Sum(s21));
        for (var i = 0; i < 2; i++)
            Rest(rows[i], w0, 3, d, width, output + (i * stride));
    }

    private static void ThreeByOne(float* x, float* w0, int width, float* output, float* next, int step)
    {
        float* w1 = w0 + width, w2 = w1 + width;
        Vector<float> s0 = default, s1 = default, s2 = default;
        var d = 0;
        for (; d + Count <= width; d += Count, next += step)
        {
            Prefetch(next);
            Prefetch(next + 16);
            var u = Load(x + d);
            s0 = Add(u, Load(w0 + d), s0);
            s1 = Add(u, Load(w1 + d), s1);
            s2 = Add(u, Load(w2 + d), s2);
        }
        (output[0], output[1], output[2]) = (Vector.Sum(s0), Vector.Sum(s1), Vector.Sum(s2));
        Rest(x, w0, 3, d, width, output);
    }

    /// <summary>
    /// For one or two rows, which are as fast as the hardware reads ahead, and that is fastest for one weight row after the other; and for the weight rows that a range leaves.
    /// </summary>
    private static void OneWeightRow(float** rows, int count, float* weight, int width, float* output, nint stride)
    {
        var i = 0;
        for (; i + 2 <= count; i += 2)
            OneByTwo(rows + i, weight, width, output + (i * stride), stride);
        if (i < count)
            OneByOne(rows[i], weight, width, output + (i * stride));
    }

    private static void OneByTwo(float** rows, float* w, int width, float* output, nint stride)
    {
        float* x0 = rows[0], x1 = rows[1];
        Vector<float> s0 = default, s1 = default;
        var d = 0;
        for (; d + Count <= width; d += Count)
        {
            var u = Load(w + d);
            s0 = Add(Load(x0 + d), u, s0);
            s1 = Add(Load(x1 + d), u, s1);
        }
        (output[0], output[stride]) = (Vector.Sum(s0), Vector.Sum(s1));
        for (var i = 0; i < 2; i++)
            Rest(rows[i], w, 1, d, width, output + (i * stride));
    }

    private static void OneByOne(float* x, float* w, int width, float* output)
    {
        Vector<float> sum = default;
        var d = 0;
        for (; d + Count <= width; d += Count)
            sum = Add(Load(x + d), Load(w + d), sum);
        *output = Vector.Sum(sum);
        Rest(x, w, 1, d, width, output);
    }

    /// <summary>Adds what is left of the dot products with some weight rows where the width is no multiple of a register's.</summary>
    private static void Rest(float* x, float* w, int height, int done, int width, float* output)
    {
        for (var r = 0; r < height; r++)
            for (var d = done; d < width; d++)
                output[r] = MathF.FusedMultiplyAdd(x[d], w[((nint)r * width) + d], output[r]);
    }
}
