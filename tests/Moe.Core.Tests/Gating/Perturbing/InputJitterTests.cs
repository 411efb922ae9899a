using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Multiplicative jitter on what the router sees (Switch, Fedus et al. 2021, section 2.4).</summary>
public sealed class InputJitterTests
{
    [Theory]
    [InlineData(0.01, 1.0)]
    [InlineData(0.3, 1.0)]
    [InlineData(0.3, 0.5)]
    [InlineData(1.0, 1.0)]
    public void Factors_are_uniform_around_one(double jitter, double noiseScale)
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(jitter);
        gate.NoiseScale = noiseScale;
        // The logits of tokens of ones are the factors.
        var factors = Compare.Doubles(gate.Route(ones(5000, 4, dtype: ScalarType.Float64)).Logits);

        var bound = jitter * noiseScale;
        factors.Should().OnlyContain(factor => factor >= 1 - bound && factor <= 1 + bound);
        factors.Min().Should().BeLessThan(1 - 0.99 * bound);
        factors.Max().Should().BeGreaterThan(1 + 0.99 * bound);
        factors.Average().Should().BeApproximately(1, 4 * bound / Math.Sqrt(3) / Math.Sqrt(20000));
        factors.Average(factor => Math.Pow(factor - 1, 2)).Should().BeApproximately(bound * bound / 3, 4 * bound * bound * Math.Sqrt(4.0 / 45 / 20000));
    }

    [Fact]
    public void Every_number_of_a_token_has_a_factor_of_its_own_and_gradients_pass_through_it()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        using var same = new Generator(4);
        using var gate = Make.Gate(Make.Options() with { InputJitter = 0.2 });
        var x = Make.Normal(1, 5, 4);
        var factors = rand(5, 4, dtype: ScalarType.Float64, generator: same) * 0.4 + 0.8;

        gate.Generator = generator;
        var gradient = Make.Gradients(gate, x, input => gate.Route(input).Logits)["input"];
        using var replayed = new Generator(4);
        gate.Generator = replayed;

        Compare.Close(gate.Route(x).Logits, (x * factors).matmul(gate.Weight.t()), 1e-14);
        Compare.Close(gradient, Make.Normal(99, 5, 4).matmul(gate.Weight.detach()) * factors, 1e-14);
    }

    [Fact]
    public void Experts_see_the_tokens_exactly_as_they_are()
    {
        using var scope = NewDisposeScope();
        var seen = new List<byte[]>();
        ProbeModule Probe() => new(rows =>
        {
            seen.Add(Compare.Bits(rows));
            return rows * 1;
        });
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(2, 2) with { InputJitter = 0.5 }, dtype: ScalarType.Float64), [Probe(), Probe()]);
        var x = Make.Normal(1, 50, 4);
        var before = Compare.Bits(x);

        using var result = layer.ForwardWithRouting(x);

        Compare.Distance(result.Routing.Logits, x.matmul(layer.Network.Weight.t())).Should().BeGreaterThan(0.01);
        seen.Should().HaveCount(2).And.AllSatisfy(bits => bits.Should().Equal(before));
        Compare.Bits(x).Should().Equal(before);
    }

    [Fact]
    public void Without_jitter_faded_or_in_evaluation_mode_nothing_is_drawn()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        var x = Make.Normal(1, 5, 4);
        var state = Compare.Bits(generator.get_state());
        using var none = Gate(0);
        using var faded = Gate(0.5);
        faded.NoiseScale = 0;
        using var evaluated = Gate(0.5);
        evaluated.eval();

        foreach (var gate in new[] { none, faded, evaluated })
        {
            gate.Generator = generator;
            Compare.SameBits(gate.Route(x).Logits, x);
        }
        Compare.Bits(generator.get_state()).Should().Equal(state);
    }

    private static GatingNetwork Gate(double jitter) => Direct.Gate(Direct.Options(4, 2) with { InputJitter = jitter });
}
