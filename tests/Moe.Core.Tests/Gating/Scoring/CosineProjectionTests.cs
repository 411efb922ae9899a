using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Logits by cosine: X-MoE (Chi et al. 2022), with Tutel's bound on the scale.</summary>
public sealed class CosineProjectionTests
{
    private static readonly GatingOptions Cosine = Make.Options(experts: 5, topK: 2) with { Projection = new CosineProjection { Width = 3, InitialTemperature = 0.25 } };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Logits_are_cosines_in_the_narrow_space_over_the_temperature(int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Cosine, seed);
        var x = Make.Normal(seed + 10, 6, 4);
        using var decision = gate.Route(x);

        var (tokens, p, w) = (Direct.Rows(x), Direct.Rows(gate.ProjectionWeight!), Direct.Rows(gate.Weight));
        var scale = Math.Exp(Compare.Doubles(gate.LogScale!)[0]);
        var expected =
            from token in tokens
            let narrow = p.Select(row => Dot(row, token)).ToArray()
            from expert in w
            select scale * Dot(narrow, expert) / Math.Sqrt(Dot(narrow, narrow) * Dot(expert, expert));
        Compare.Close(decision.Logits, tensor(expected.ToArray()).reshape(6, 5), 1e-13);
    }

    [Fact]
    public void The_length_of_a_token_does_not_matter()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Cosine);
        var x = Make.Normal(2, 20, 4);
        var lengths = logspace(-6, 6, 20, dtype: ScalarType.Float64).unsqueeze(-1);

        Compare.Close(gate.Route(x * lengths).Logits, gate.Route(x).Logits, 1e-12);
    }

    [Theory]
    [InlineData(-1.0)]
    [InlineData(0.7)]
    [InlineData(4.0)]
    public void No_logit_is_larger_than_the_scale(double logScale)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Cosine);
        Set(gate, logScale);
        // The tokens are what the experts' vectors are made of, so that cosines near 1 occur.
        var x = Make.Normal(2, 2000, 4) * 100;

        var largest = gate.Route(x).Logits.abs().max().item<double>();
        largest.Should().BeLessThanOrEqualTo(Math.Exp(logScale) * (1 + 1e-12)).And.BeGreaterThan(Math.Exp(logScale) * 0.9);
    }

    [Fact]
    public void The_learned_scale_counts_up_to_one_hundred()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Cosine);
        var x = Make.Normal(2, 9, 4);

        Set(gate, 0);
        var cosines = gate.Route(x).Logits;
        Set(gate, 9);
        Compare.Close(gate.Route(x).Logits, cosines * 100, 1e-11);
        Compare.Doubles(Make.Gradients(gate, x, input => gate.Route(input).Logits)["log_scale"]).Should().Equal(0);

        // d(c · exp s)/ds is the logit itself.
        Set(gate, 4);
        var gradient = Make.Gradients(gate, x, input => gate.Route(input).Logits)["log_scale"];
        Compare.Close(gradient, (Make.Normal(99, 9, 5) * cosines * Math.Exp(4)).sum().reshape(1), 1e-10);
    }

    [Fact]
    public void A_fresh_gate_begins_with_the_temperature_asked_for_and_weights_in_bounds()
    {
        using var gate = new GatingNetwork(Make.Options(width: 16) with { Projection = new CosineProjection() });

        gate.Weight.shape.Should().Equal(4, 256);
        gate.ProjectionWeight!.shape.Should().Equal(256, 16);
        Compare.Doubles(gate.Weight).Should().OnlyContain(value => Math.Abs(value) <= 1.0 / 16);
        Compare.Doubles(gate.ProjectionWeight!).Should().OnlyContain(value => Math.Abs(value) <= 0.25).And.Contain(value => Math.Abs(value) > 0.24);
        Compare.Doubles(gate.LogScale!)[0].Should().BeApproximately(Math.Log(2), 1e-7);
        gate.named_parameters().Select(pair => pair.name).Should().BeEquivalentTo("weight", "projection", "log_scale");
    }

    [Fact]
    public void A_token_of_zeros_has_no_direction_and_finite_gradients()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Cosine);
        var x = cat([zeros(1, 4, dtype: ScalarType.Float64), Make.Normal(3, 2, 4)]);

        Compare.Doubles(gate.Route(x).Logits[0]).Should().OnlyContain(logit => logit == 0);
        foreach (var (name, gradient) in Make.Gradients(gate, x, input => gate.Route(input).Weights))
            Compare.Doubles(gradient).Should().OnlyContain(value => double.IsFinite(value), "that is the gradient of {0}", name);
    }

    private static void Set(GatingNetwork gate, double logScale)
    {
        using var noGrad = no_grad();
        gate.LogScale!.fill_(logScale);
    }

    private static double Dot(double[] left, double[] right) => left.Zip(right, (l, r) => l * r).Sum();
}
