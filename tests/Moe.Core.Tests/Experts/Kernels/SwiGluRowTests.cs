using CsCheck;

namespace Moe.Core.Tests;

/// <summary>SwiGLU over a row against float64, at its limits, and for widths that fill no register.</summary>
public sealed unsafe class SwiGluRowTests
{
    private static readonly Gen<float> Gates =
        Gen.OneOf(Gen.Float[-12f, 12f], Gen.Float[-110f, 110f], Gen.Float[-1e-3f, 1e-3f], Gen.Int[-37, 37].Select(power => Math.Sign(power) * (float)Math.Pow(10, power)));

    /// <summary>Not so small that products of them round as denormal numbers do.</summary>
    private static Gen<float> Thousandths => Gen.Int[-4000, 4000].Select(number => number / 1000f);

    private static readonly Gen<(float Gate, float Up, float Slope)[]> Entries =
        Gen.Select(Gates, Thousandths, Thousandths).Array[0, 41];

    [Fact]
    public void It_is_within_five_ulp_of_float64() => Entries.Sample(entries =>
    {
        var (gate, up, _) = Rows(entries);
        var hidden = new PinnedRows(1, entries.Length);

        SwiGluRow.Forward(gate.Start, up.Start, entries.Length, hidden.Start);

        for (var f = 0; f < entries.Length; f++)
            Near(hidden[0, f], Silu(gate[0, f]) * up[0, f], 5, $"silu({gate[0, f]:R}) · {up[0, f]:R}");
        hidden.IsUntouchedOutside((_, _) => true).Should().BeTrue();
    });

    [Fact]
    public void Its_gradients_are_within_eight_ulp_of_the_size_of_their_terms() => Entries.Sample(entries =>
    {
        var (gate, up, slope) = Rows(entries);
        var width = entries.Length;
        var (hidden, dGate, dUp) = (new PinnedRows(1, width), new PinnedRows(1, width), new PinnedRows(1, width));

        var sum = SwiGluRow.Backward(gate.Start, up.Start, slope.Start, 0.375f, width, hidden.Start, dGate.Start, dUp.Start);

        var (expected, size) = (0.0, 0.0);
        for (var f = 0; f < width; f++)
        {
            double g = gate[0, f], u = up[0, f], s = slope[0, f];
            var what = $"g {g:R}, u {u:R}, s {s:R}";
            Near(hidden[0, f], Silu(g) * u, 6, what);
            Near(dUp[0, f], 0.375 * s * Silu(g), 6, what);
            // 1 + g · σ(-g) passes through zero at g = -1.28.
            var terms = 0.375 * s * u * Sigmoid(g) * (1 + Math.Abs(g * Sigmoid(-g)));
            Near(dGate[0, f], 0.375 * s * u * Sigmoid(g) * (1 + (g * Sigmoid(-g))), 8, what, Math.Abs(terms));
            (expected, size) = (expected + (s * Silu(g) * u), size + Math.Abs(s * Silu(g) * u));
        }
        Math.Abs(sum - expected).Should().BeLessThanOrEqualTo((width + 6) * Math.Pow(2, -23) * size + (32 * width * float.Epsilon));
        foreach (var output in new[] { hidden, dGate, dUp })
            output.IsUntouchedOutside((_, _) => true).Should().BeTrue();
    });

    [Fact]
    public void Its_limits_are_exact_and_NaN_stays_NaN()
    {
        Backward(float.PositiveInfinity, 1).Should().Be((float.PositiveInfinity, 1f, float.PositiveInfinity));
        Backward(float.NegativeInfinity, 1).Should().Be((-0f, 0f, -0f));
        Backward(1000, 1).Should().Be((1000f, 1f, 1000f));
        Backward(-1000, 1).Should().Be((-0f, 0f, -0f));
        Backward(0, 1).Should().Be((0f, 0.5f, 0f));
        Backward(float.NaN, 1).Should().Be((float.NaN, float.NaN, float.NaN));
        Backward(2, float.NaN).Hidden.Should().Be(float.NaN);
        foreach (var gate in new[] { float.PositiveInfinity, float.NegativeInfinity, 1000, -1000, 0, float.NaN })
            BitConverter.SingleToInt32Bits(Forward(gate, 1)).Should().Be(BitConverter.SingleToInt32Bits(Backward(gate, 1).Hidden), "of {0}", gate);
    }

    [Fact]
    public void An_entry_has_the_same_bits_wherever_it_stands()
    {
        var width = (2 * Lanes.Count) - 1;
        var row = Enumerable.Repeat((1.7f, -0.3f, 0.9f), width).ToArray();
        var (gate, up, slope) = Rows(row);
        var (hidden, dGate, dUp) = (new PinnedRows(1, width), new PinnedRows(1, width), new PinnedRows(1, width));

        SwiGluRow.Backward(gate.Start, up.Start, slope.Start, 0.7f, width, hidden.Start, dGate.Start, dUp.Start);

        foreach (var output in new[] { hidden, dGate, dUp })
            Enumerable.Range(0, width).Select(f => output[0, f]).Distinct().Should().ContainSingle();
    }

    [Fact]
    public void It_may_overwrite_its_inputs()
    {
        var row = Enumerable.Range(0, 21).Select(f => (f - 10f, 0.1f * f, 1f)).ToArray();
        var (gate, up, slope) = Rows(row);
        var (hidden, dGate, dUp) = (new PinnedRows(1, 21), new PinnedRows(1, 21), new PinnedRows(1, 21));
        SwiGluRow.Backward(gate.Start, up.Start, slope.Start, 2, 21, hidden.Start, dGate.Start, dUp.Start);

        SwiGluRow.Backward(gate.Start, up.Start, slope.Start, 2, 21, slope.Start, gate.Start, up.Start);

        (slope.HasBitsOf(hidden), gate.HasBitsOf(dGate), up.HasBitsOf(dUp)).Should().Be((true, true, true));
    }

    private static (float Hidden, float Gate, float Up) Backward(float gate, float up)
    {
        float hidden, dGate, dUp, slope = 1;
        SwiGluRow.Backward(&gate, &up, &slope, 1, 1, &hidden, &dGate, &dUp);
        return (hidden, dGate, dUp);
    }

    private static float Forward(float gate, float up)
    {
        SwiGluRow.Forward(&gate, &up, 1, &gate);
        return gate;
    }

    private static double Sigmoid(double g) => 1 / (1 + Math.Exp(-g));

    private static double Silu(double g) => g * Sigmoid(g);

    /// <summary>Ulps are those of float32 at the truth, or at the size of the terms that it is a difference of; the smallest number counts as one.</summary>
    private static void Near(float actual, double truth, double ulps, string what, double? size = null)
    {
        var ulp = Math.Max(Math.ScaleB(1, Math.ILogB(Math.Max(size ?? Math.Abs(truth), double.Epsilon)) - 23), float.Epsilon);
        Math.Abs(actual - truth).Should().BeLessThanOrEqualTo(ulps * ulp, "of {0}: {1:R} for {2:R}", what, actual, truth);
    }

    private static (PinnedRows Gate, PinnedRows Up, PinnedRows Slope) Rows((float Gate, float Up, float Slope)[] entries)
    {
        var (gate, up, slope) = (new PinnedRows(1, entries.Length), new PinnedRows(1, entries.Length), new PinnedRows(1, entries.Length));
        for (var f = 0; f < entries.Length; f++)
            (gate[0, f], up[0, f], slope[0, f]) = entries[f];
        return (gate, up, slope);
    }
}
