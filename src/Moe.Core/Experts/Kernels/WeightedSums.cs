using System.Numerics;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>a · W for up to three rows a: each output row is a sum of weight rows, weighted by the numbers of a row of a.</summary>
/// <remarks>Each entry is summed over the weight rows in their order, whatever the tiles: the bits depend neither on the count of rows nor on how ranges are split.</remarks>
internal static unsafe class WeightedSums
{
    /// <summary>The most rows: more of them are better off with <see cref="PanelProducts"/>.</summary>
    public const int Most = 3;

    /// <summary>Floats of output that are summed at a time: half of a first cache of 32 KB.</summary>
    private const int Hot = 4096;

    /// <summary>output[i, j] = Σ_r a[i][r] · weight[r, j] for j in [from, to), over all r in [0, height).</summary>
    /// <param name="a">[count] pointers to rows of height floats.</param>
    /// <param name="count">Number of rows; may be 0.</param>
    /// <param name="weight">[height, width], contiguous.</param>
    /// <param name="height">Number of weight rows; 0 gives zeros.</param>
    /// <param name="width">Columns of the weight.</param>
    /// <param name="from">First column.</param>
    /// <param name="to">One past the last.</param>
    /// <param name="output">[count, ≥ to]; only columns [from, to) are written.</param>
    /// <param name="outputStride">Floats from one output row to the next.</param>
    public static void Multiply(float** a, int count, float* weight, int height, int width, int from, int to, float* output, nint outputStride)
    {
        if (count == 0)
            return;
        var panel = Math.Max(64, Hot / count / 16 * 16);
        for (var j = from; j < to; j += panel)
            Panel(a, count, weight + j, height, width, Math.Min(panel, to - j), output + j, outputStride);
    }

    /// <summary>
    /// Four weight rows at a time go through all rows, so that the sums in the first cache are loaded and stored once for four multiplications. Meanwhile the
    /// memory is asked for four later ones, row after row: asked in turns for a line of each, it took 1.7 times as long.
    /// </summary>
    private static void Panel(float** a, int count, float* w, int height, int width, int columns, float* output, nint stride)
    {
        for (var i = 0; i < count; i++)
            new Span<float>(output + (i * stride), columns).Clear();
        var later = 4 * (nint)width * ((Ahead / (4 * columns)) + 1);
        var r = 0;
        for (; r + 4 <= height; r += 4)
        {
            var at = w + ((nint)r * width);
            var i = 0;
            for (; i + 2 <= count; i += 2)
                FourByTwo(a + i, r, at, width, columns, output + (i * stride), stride, at + later);
            if (i < count)
                FourByOne(a[i] + r, at, width, columns, output + (i * stride), at + later);
        }
        for (; r < height; r++)
            for (var i = 0; i < count; i++)
                OneByOne(a[i][r], w + ((nint)r * width), columns, output + (i * stride));
    }

    private static void FourByTwo(float** a, int r, float* w0, int width, int columns, float* output, nint stride, float* next)
    {
        float* o0 = output, o1 = o0 + stride, w1 = w0 + width, w2 = w1 + width, w3 = w2 + width;
        Vector<float> a00 = new(a[0][r]), a01 = new(a[0][r + 1]), a02 = new(a[0][r + 2]), a03 = new(a[0][r + 3]);
        Vector<float> a10 = new(a[1][r]), a11 = new(a[1][r + 1]), a12 = new(a[1][r + 2]), a13 = new(a[1][r + 3]);
        var (j, later) = (0, new Asker(next, columns, width));
        for (; j + Count <= columns; j += Count)
        {
            later.Ask();
            Vector<float> u0 = Load(w0 + j), u1 = Load(w1 + j), u2 = Load(w2 + j), u3 = Load(w3 + j);
            Store(o0 + j, Add(a03, u3, Add(a02, u2, Add(a01, u1, Add(a00, u0, Load(o0 + j))))));
            Store(o1 + j, Add(a13, u3, Add(a12, u2, Add(a11, u1, Add(a10, u0, Load(o1 + j))))));
        }
        for (var i = 0; i < 2; i++)
            Rest(a[i] + r, 4, w0, width, j, columns, output + (i * stride));
    }

    private static void FourByOne(float* a, float* w0, int width, int columns, float* output, float* next)
    {
        float* w1 = w0 + width, w2 = w1 + width, w3 = w2 + width;
        Vector<float> a0 = new(a[0]), a1 = new(a[1]), a2 = new(a[2]), a3 = new(a[3]);
        var (j, later) = (0, new Asker(next, columns, width));
        for (; j + Count <= columns; j += Count)
        {
            later.Ask();
            Store(output + j, Add(a3, Load(w3 + j), Add(a2, Load(w2 + j), Add(a1, Load(w1 + j), Add(a0, Load(w0 + j), Load(output + j))))));
        }
        Rest(a, 4, w0, width, j, columns, output);
    }

    private static void OneByOne(float a, float* w, int columns, float* output)
    {
        var j = 0;
        for (; j + Count <= columns; j += Count)
            Store(output + j, Add(new(a), Load(w + j), Load(output + j)));
        Rest(&a, 1, w, 0, j, columns, output);
    }

    /// <summary>The columns that fill no register, in the same order.</summary>
    private static void Rest(float* a, int height, float* w, int width, int done, int columns, float* output)
    {
        for (var j = done; j < columns; j++)
            for (var r = 0; r < height; r++)
                output[j] = MathF.FusedMultiplyAdd(a[r], w[((nint)r * width) + j], output[j]);
    }

    /// <summary>A way through four rows of a panel, row after row, in as many steps as one row has registers.</summary>
    private struct Asker(float* at, int columns, int width)
    {
        private float* _at = at;
        private float* _end = at + columns;

        public void Ask()
        {
            Prefetch(_at);
            Prefetch(_at + 16);
            _at += 4 * Count;
            if (_at >= _end)
            {
                _at += width - columns;
                _end += width;
            }
        }
    }
}
