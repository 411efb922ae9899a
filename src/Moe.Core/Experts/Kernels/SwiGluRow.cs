using System.Numerics;
using System.Runtime.CompilerServices;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>SwiGLU over one row: h = silu(gate) · up with silu(g) = g · σ(g), and its gradients.</summary>
/// <remarks>
/// σ is built from q = exp(-|g|/2), which neither overflows nor vanishes where the result does not: σ(g) = 1/(1 + q²) for g ≥ 0, q²/(1 + q²) below.
/// NaN stays NaN; silu(-∞) is its limit, 0. The last entries of a row go through a padded register, so that they have the bits of all others.
/// </remarks>
internal static unsafe class SwiGluRow
{
    /// <summary>silu(-Vanishing) is less than the smallest number, and exp(-Vanishing/2) is not.</summary>
    private const float Vanishing = 170;

    /// <summary>hidden[f] = silu(gate[f]) · up[f].</summary>
    /// <param name="gate">[width].</param>
    /// <param name="up">[width].</param>
    /// <param name="width">F; may be 0.</param>
    /// <param name="hidden">[width]; may be gate or up.</param>
    public static void Forward(float* gate, float* up, int width, float* hidden)
    {
        var f = 0;
        for (; f + Count <= width; f += Count)
            Store(hidden + f, Silu(Load(gate + f)) * Load(up + f));
        if (f < width)
            StorePart(hidden + f, width - f, Silu(LoadPart(gate + f, width - f)) * LoadPart(up + f, width - f));
    }

    /// <summary>Recomputes hidden and gives the gradients of gate and up for an incoming gradient of scale · slope.</summary>
    /// <param name="gate">[width].</param>
    /// <param name="up">[width].</param>
    /// <param name="slope">[width], the gradient by hidden before it is scaled.</param>
    /// <param name="scale">The weight with which the row went into the output.</param>
    /// <param name="width">F; may be 0.</param>
    /// <param name="hidden">[width], written.</param>
    /// <param name="gateGradient">[width], written; may be gate or slope.</param>
    /// <param name="upGradient">[width], written; may be up or slope.</param>
    /// <returns>Σ slope · hidden, the gradient by the scale.</returns>
    public static float Backward(float* gate, float* up, float* slope, float scale, int width, float* hidden, float* gateGradient, float* upGradient)
    {
        var (f, sum) = (0, Vector<float>.Zero);
        for (; f + Count <= width; f += Count)
        {
            var (h, dGate, dUp) = Gradients(Load(gate + f), Load(up + f), Load(slope + f), scale, ref sum);
            Store(hidden + f, h);
            Store(gateGradient + f, dGate);
            Store(upGradient + f, dUp);
        }
        if (width - f is > 0 and var rest)
        {
            var (h, dGate, dUp) = Gradients(LoadPart(gate + f, rest), LoadPart(up + f, rest), LoadPart(slope + f, rest), scale, ref sum);
            StorePart(hidden + f, rest, h);
            StorePart(gateGradient + f, rest, dGate);
            StorePart(upGradient + f, rest, dUp);
        }
        return Vector.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Silu(Vector<float> gate)
    {
        var g = AtLeast(gate, -Vanishing);
        var q = HalfDecay(g);
        var factor = Vector.ConditionalSelect(Vector.LessThan(g, Vector<float>.Zero), q, Vector<float>.One);
        return g * factor / Add(q, q, Vector<float>.One) * factor;
    }

    /// <summary>silu′(g) = σ(g) · (1 + g · σ(-g)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector<float> Hidden, Vector<float> Gate, Vector<float> Up) Gradients(
        Vector<float> gate, Vector<float> up, Vector<float> slope, float scale, ref Vector<float> sum)
    {
        var (g, one) = (AtLeast(gate, -Vanishing), Vector<float>.One);
        var (q, below) = (HalfDecay(g), Vector.LessThan(g, Vector<float>.Zero));
        var (near, far) = (Vector.ConditionalSelect(below, q, one), Vector.ConditionalSelect(below, one, q));
        var part = one / Add(q, q, one);
        var silu = g * near * part * near;
        var hidden = silu * up;
        sum = Add(slope, hidden, sum);
        var scaled = slope * scale;
        // The last factor comes last, as in silu: where both together are less than the smallest number, the rest may be more.
        var derivative = near * part * Add(AtMost(g, Vanishing) * far * part, far, one);
        return (hidden, scaled * up * derivative * near, scaled * silu);
    }

    /// <summary>exp(-|g|/2), at least exp(-Vanishing/2): 2ⁿ · exp(r) with |r| ≤ ln 2 / 2, where eight terms of the series leave a tenth of an ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> HalfDecay(Vector<float> g)
    {
        var x = AtMost(Vector.Abs(g), Vanishing) * new Vector<float>(-0.5f);
        // Adding 1.5 · 2²³ rounds to a whole number, and leaves it in the low bits.
        var shift = new Vector<float>(12582912f);
        var shifted = Add(x, new(1.44269504f), shift);
        var n = shifted - shift;
        // ln 2 in two parts, of which n times the first is exact.
        var r = Add(n, new(-1.42860677e-6f), Add(n, new(-0.693145752f), x));
        var series = Add(new(1f / 5040), r, new(1f / 720));
        series = Add(series, r, new(1f / 120));
        series = Add(series, r, new(1f / 24));
        series = Add(series, r, new(1f / 6));
        series = Add(series, r, new(1f / 2));
        series = Add(series, r, Vector<float>.One);
        series = Add(series, r, Vector<float>.One);
        return series * Vector.AsVectorSingle((Vector.AsVectorInt32(shifted) << 23) + new Vector<int>(127 << 23));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> AtLeast(Vector<float> value, float bound) => Vector.ConditionalSelect(Vector.LessThan(value, new(bound)), new(bound), value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> AtMost(Vector<float> value, float bound) => Vector.ConditionalSelect(Vector.GreaterThan(value, new(bound)), new(bound), value);

    private static Vector<float> LoadPart(float* source, int count)
    {
        Vector<float> value = default;
        new Span<float>(source, count).CopyTo(new(&value, Count));
        return value;
    }

    private static void StorePart(float* target, int count, Vector<float> value) => new Span<float>(&value, count).CopyTo(new(target, count));
}
