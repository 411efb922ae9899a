using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gumbel noise makes choices draws from the softmax: frequencies of 20000 draws within four standard errors.</summary>
public sealed class GumbelNoiseTests
{
    private const int Draws = 20000;

    private static readonly double[] Logits = [0.3, -1, 1.2, 0, -0.4];

    [Theory]
    [InlineData(1.0, 1.0, 1.0, ScalarType.Float64)]
    [InlineData(1.0, 1.0, 1.0, ScalarType.Float32)]
    [InlineData(2.0, 1.0, 1.0, ScalarType.Float64)]
    [InlineData(1.0, 0.5, 1.0, ScalarType.Float64)]
    [InlineData(1.0, 1.0, 3.0, ScalarType.Float64)]
    public void The_best_expert_is_drawn_from_the_softmax_of_the_logits_over_the_scale(double scale, double noiseScale, double temperature, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var decision = Draw(Direct.Options(5, 1) with { Noise = new GumbelNoise { Scale = scale }, Temperature = temperature }, noiseScale, type);

        var p = Softmax(z => z / (scale * noiseScale));
        for (var e = 0; e < 5; e++)
            Frequent(decision.Load[e], p[e]);
        decision.NoiseDeviation.Should().BeNull();
    }

    [Fact]
    public void The_best_two_are_drawn_without_replacement()
    {
        using var scope = NewDisposeScope();
        using var decision = Draw(Direct.Options(5, 2) with { Noise = new GumbelNoise() }, 1, ScalarType.Float64);

        var p = Softmax(z => z);
        var pairs = Compare.Longs(decision.Indices).Chunk(2).CountBy(pair => (pair[0], pair[1])).ToDictionary();
        for (var first = 0; first < 5; first++)
        {
            for (var second = 0; second < 5; second++)
                Frequent(pairs.GetValueOrDefault((first, second)), first == second ? 0 : p[first] * p[second] / (1 - p[first]));
        }
    }

    [Fact]
    public void Evaluation_mode_and_a_scale_of_zero_draw_nothing()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(5, 2) with { Noise = new GumbelNoise() });
        using var generator = new Generator(7);
        gate.Generator = generator;
        var state = Compare.Bits(generator.get_state());
        var z = Make.Normal(1, 6, 5);

        gate.NoiseScale = 0;
        Compare.SameBits(gate.Route(z).PerturbedLogits, z);
        gate.NoiseScale = 1;
        gate.eval();
        Compare.SameBits(gate.Route(z).PerturbedLogits, z);
        Compare.Bits(generator.get_state()).Should().Equal(state);
    }

    private static RoutingDecision Draw(GatingOptions options, double noiseScale, ScalarType type)
    {
        using var gate = Direct.Gate(options, type);
        using var generator = new Generator(12);
        gate.Generator = generator;
        gate.NoiseScale = noiseScale;
        return gate.Route(Direct.Repeated(Draws, Logits).to(type));
    }

    private static double[] Softmax(Func<double, double> logit) => [.. Logits.Select(z => Math.Exp(logit(z)) / Logits.Sum(other => Math.Exp(logit(other))))];

    private static void Frequent(long count, double p) =>
        ((double)count / Draws).Should().BeApproximately(p, 4 * Math.Sqrt(p * (1 - p) / Draws));
}
