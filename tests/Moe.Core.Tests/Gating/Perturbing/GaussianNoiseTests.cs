using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Noise of one scale, and the floor under the learned one.</summary>
public sealed class GaussianNoiseTests
{
    [Theory]
    [InlineData(null, 1.0, 1.0, 0.2)]
    [InlineData(0.7, 1.0, 1.0, 0.7)]
    [InlineData(0.7, 0.5, 1.0, 0.35)]
    [InlineData(null, 2.0, 4.0, 0.1)]
    public void Noise_is_normal_with_the_deviation_asked_for_or_one_over_the_number_of_experts(
        double? deviation, double noiseScale, double temperature, double expected)
    {
        using var scope = NewDisposeScope();
        using var used = new Generator(7);
        using var same = new Generator(7);
        using var gate = Direct.Gate(Direct.Options(5, 2) with { Noise = new GaussianNoise { Deviation = deviation }, Temperature = temperature });
        gate.Generator = used;
        gate.NoiseScale = noiseScale;
        var z = Make.Normal(1, 12, 5);
        using var decision = gate.Route(z);

        var draw = randn(12, 5, dtype: ScalarType.Float64, generator: same);
        Compare.SameBits(decision.Logits, z);
        Compare.Close(decision.PerturbedLogits, z / temperature + draw * expected, 1e-14);
        Compare.Close(decision.Scores, decision.PerturbedLogits.softmax(1), 1e-14);
        Compare.Doubles(decision.NoiseDeviation!).Should().AllSatisfy(value => value.Should().BeApproximately(expected, 1e-15));
    }

    [Fact]
    public void Mean_and_deviation_over_many_draws_are_as_told()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        using var gate = Direct.Gate(Direct.Options(4, 1) with { Noise = new GaussianNoise() });
        gate.Generator = generator;
        using var decision = gate.Route(zeros(10000, 4, dtype: ScalarType.Float64));

        var draws = Compare.Doubles(decision.PerturbedLogits);
        draws.Average().Should().BeApproximately(0, 4 * 0.25 / Math.Sqrt(40000));
        // The mean of squares of a normal varies by √2 σ².
        draws.Average(draw => draw * draw).Should().BeApproximately(1.0 / 16, 4 * Math.Sqrt(2) / 16 / Math.Sqrt(40000));
    }

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(0.01, 1.0)]
    [InlineData(0.3, 0.5)]
    public void A_floor_lies_under_the_learned_deviation(double floor, double noiseScale)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 3) with { Noise = new LearnedNoise { Floor = floor } });
        gate.NoiseScale = noiseScale;
        var x = Make.Normal(4, 6, 4);
        using var decision = gate.Route(x);

        var expected =
            from token in Direct.Rows(x)
            from weight in Direct.Rows(gate.NoiseWeight!)
            select (Math.Log(1 + Math.Exp(token.Zip(weight, (left, right) => left * right).Sum())) + floor) * noiseScale;
        Compare.Close(decision.NoiseDeviation!, tensor(expected.ToArray()).reshape(6, 3), 1e-14);
    }

    [Fact]
    public void A_learned_scale_begins_at_log_two_over_the_floor()
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options() with { Noise = new LearnedNoise { Floor = 0.01 } }, dtype: ScalarType.Float64);

        Compare.Doubles(gate.Route(Make.Normal(4, 6, 4)).NoiseDeviation!).Should().AllSatisfy(value => value.Should().BeApproximately(Math.Log(2) + 0.01, 1e-15));
    }

    [Fact]
    public void A_generator_on_another_device_is_refused_before_anything_is_drawn()
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options() with { Noise = new GaussianNoise() }, device: META);
        using var generator = new Generator(1);
        gate.Generator = generator;

        gate.Invoking(g => g.Route(zeros(2, 4, device: META))).Should().Throw<InvalidOperationException>()
            .WithMessage("The gate's generator must be on the tokens' device (meta*), but is on cpu*");
    }
}
