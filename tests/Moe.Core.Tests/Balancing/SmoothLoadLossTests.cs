using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The load that noise would give, Shazeer et al. 2017, appendix A.</summary>
public sealed class SmoothLoadLossTests
{
    [Theory]
    [MemberData(nameof(Every))]
    public void It_is_what_a_loop_gives_whatever_the_temperature(bool oneThreshold, bool unbiased, int topK, double temperature, bool masked, int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 5, topK: topK) with { Noise = new LearnedNoise { Floor = 0.1 }, Temperature = temperature, Bias = true }, seed);
        using var generator = new Generator(9);
        gate.Generator = generator;
        var real = Enumerable.Range(0, 12).Select(token => !masked || token % 4 != 0).ToArray();
        var x = Make.Normal(seed + 5, 12, 4);
        using var decision = gate.Route(x, masked ? tensor(real) : null);

        // All in the gate's own domain, before the temperature: dividing clean, noisy and deviation by it changes no probability.
        var clean = Compare.Doubles(decision.Logits);
        var noisy = Compare.Doubles(decision.PerturbedLogits * temperature);
        var deviation = Compare.Doubles((1 + x.masked_fill(tensor(real).bitwise_not().unsqueeze(1), 0).matmul(gate.NoiseWeight!.t()).exp()).log() + 0.1);
        var load = new double[5];
        for (var t = 0; t < 12; t++)
        {
            for (var e = 0; e < 5 && real[t]; e++)
            {
                var others = Enumerable.Range(0, 5).Where(other => oneThreshold || other != e).Select(other => noisy[t * 5 + other]).OrderDescending().ToArray();
                load[e] += Gaussian((clean[t * 5 + e] - others[topK - 1]) / deviation[t * 5 + e]) / (oneThreshold ? real.Count(r => r) : 1);
            }
        }

        new SmoothLoadLoss(new() { OneThreshold = oneThreshold, Unbiased = unbiased }).ValueOf(decision)
            .Should().BeApproximately(ImportanceLossTests.SquaredVariation(load, unbiased), 1e-9).And.BePositive();
    }

    public static TheoryData<bool, bool, int, double, bool, int> Every()
    {
        var data = new TheoryData<bool, bool, int, double, bool, int>();
        foreach (var (one, unbiased, topK, temperature, masked, seed) in
            from one in new[] { false, true }
            from unbiased in new[] { false, true }
            from topK in new[] { 1, 2, 4 }
            from temperature in new[] { 1, 0.3 }
            from masked in new[] { false, true }
            from seed in new[] { 1, 2 }
            select (one, unbiased, topK, temperature, masked, seed))
        {
            data.Add(one, unbiased, topK, temperature, masked, seed);
        }
        return data;
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 4)]
    public void Without_noise_or_choice_it_counts_assignments_and_has_no_slope(bool training, int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { Noise = new LearnedNoise() });
        gate.train(training);
        var mask = Make.Mask(1, 1, 1, 0, 1, 1, 1, 1, 1, 1);
        using var decision = gate.Route(Make.Normal(6, 10, 4), mask);

        var loss = new SmoothLoadLoss().Of(decision);
        loss.backward();

        var expected = ImportanceLossTests.SquaredVariation([.. decision.Assigned.Select(count => (double)count)], unbiased: false);
        loss.item<double>().Should().BeApproximately(expected, 1e-12);
        (expected > 0).Should().Be(topK < 4, "dense routing is balanced");
        Compare.Close(gate.Weight.grad!, zeros_like(gate.Weight).detach(), 0);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void At_exact_balance_value_and_gradient_are_0_and_not_NaN(bool oneThreshold, bool unbiased)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Noise = new GaussianNoise { Deviation = 0.5 } });
        using (no_grad())
            gate.Weight.copy_(eye(4, dtype: ScalarType.Float64));
        gate.Draws.Recorded = (_, like) => zeros_like(like);
        var loss = new SmoothLoadLoss(new() { OneThreshold = oneThreshold, Unbiased = unbiased }).Of(gate.Route((eye(4, dtype: ScalarType.Float64) + eye(4, dtype: ScalarType.Float64).roll(1, 1) * 0.5).repeat(3, 1)));
        loss.backward();

        loss.item<double>().Should().BeApproximately(0, 1e-15);
        Compare.Close(gate.Weight.grad!, zeros_like(gate.Weight).detach(), 1e-14);
    }

    [Fact]
    public void Noise_that_has_died_out_leaves_gradients_finite()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 1) with { Noise = new LearnedNoise() }, type: ScalarType.Float32);
        using (no_grad())
            gate.NoiseWeight!.fill_(-1000);
        using var decision = gate.Route(Make.Normal(6, ScalarType.Float32, 10, 4).abs());
        decision.NoiseDeviation!.max().item<float>().Should().Be(0);

        var loss = new SmoothLoadLoss().Of(decision);
        loss.backward();

        loss.item<float>().Should().BeGreaterThan(0);
        gate.parameters().Should().OnlyContain(parameter => parameter.grad!.isfinite().all().item<bool>());
    }

    [Fact]
    public void The_conventions_are_those_of_their_systems()
    {
        SmoothLoadOptions.FastMoe.Should().Be(new SmoothLoadOptions { OneThreshold = false, Unbiased = true });
        SmoothLoadOptions.VMoE.Should().Be(new SmoothLoadOptions { OneThreshold = true, Unbiased = false });
    }

    /// <summary>Φ by Simpson's rule, apart from torch's error function.</summary>
    private static double Gaussian(double z)
    {
        if (Math.Abs(z) > 9)
            return z > 0 ? 1 : 0;
        const int Steps = 4000;
        var width = z / Steps;
        var sum = Enumerable.Range(0, Steps + 1).Sum(i => (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2) * Math.Exp(-(i * width) * (i * width) / 2));
        return 0.5 + sum * width / 3 / Math.Sqrt(2 * Math.PI);
    }
}
