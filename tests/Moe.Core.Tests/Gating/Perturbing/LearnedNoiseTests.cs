using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Noisy top-k gating, Shazeer et al. 2017, eq. 4.</summary>
public sealed class LearnedNoiseTests
{
    private static readonly GatingOptions Noisy = Make.Options(experts: 5, topK: 2) with { Noise = new LearnedNoise(), Temperature = 0.5 };

    [Theory]
    [InlineData(1.0)]
    [InlineData(0.3)]
    public void Noise_is_normal_with_the_learned_scale_of_equation_4(double noiseScale)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        gate.NoiseScale = noiseScale;
        var x = Make.Normal(2, 12, 4);
        using var used = new Generator(7);
        using var same = new Generator(7);
        gate.Generator = used;
        using var decision = gate.Route(x);

        var clean = x.matmul(gate.Weight.t());
        var draw = randn(12, 5, dtype: ScalarType.Float64, generator: same);
        var h = clean + draw * (1 + x.matmul(gate.NoiseWeight!.t()).exp()).log() * noiseScale;
        Compare.Close(decision.Logits, clean, 1e-12);
        Compare.Close(decision.Scores, (h / 0.5).softmax(1), 1e-12);
        Compare.SameBits(decision.Indices, h.sort(1, descending: true).Indices.narrow(1, 0, 2));
        Compare.Close(decision.Weights, (h / 0.5).gather(1, decision.Indices).softmax(1), 1e-12);
    }

    [Fact]
    public void The_scale_of_the_noise_learns()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        using var generator = new Generator(7);
        gate.Generator = generator;

        var gradients = Make.Gradients(gate, Make.Normal(2, 12, 4), input => gate.Route(input).Weights);

        gradients["noise_weight"].abs().max().item<double>().Should().BeGreaterThan(1e-3);
    }

    [Fact]
    public void Evaluation_mode_is_free_of_noise_and_draws_nothing()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        using var generator = new Generator(7);
        gate.Generator = generator;
        var x = Make.Normal(2, 12, 4);
        var state = Compare.Bits(generator.get_state());
        gate.eval();

        using var decision = gate.Route(x);

        Compare.Close(decision.Scores, (x.matmul(gate.Weight.t()) / 0.5).softmax(1), 1e-12);
        Compare.Bits(generator.get_state()).Should().Equal(state);
    }

    [Fact]
    public void Noise_scale_zero_is_evaluation_mode()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        var x = Make.Normal(2, 12, 4);
        gate.NoiseScale = 0;
        using var faded = gate.Route(x);
        gate.eval();
        using var evaluated = gate.Route(x);

        Compare.SameBits(faded.Scores, evaluated.Scores);
        Compare.SameBits(faded.Weights, evaluated.Weights);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_the_next_draw_others()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        var x = Make.Normal(2, 12, 4);
        Tensor Draw(Generator generator)
        {
            gate.Generator = generator;
            return gate.Route(x).Scores;
        }

        using var first = new Generator(11);
        using var second = new Generator(11);
        var score = Draw(first);
        Compare.SameBits(Draw(second), score);
        Compare.Distance(Draw(second), score).Should().BeGreaterThan(1e-3);
    }

    [Fact]
    public void Without_a_generator_the_global_one_draws()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Noisy);
        var x = Make.Normal(2, 12, 4);

        manual_seed(5);
        var first = gate.Route(x).Scores;
        manual_seed(5);
        Compare.SameBits(gate.Route(x).Scores, first);
    }

    [Fact]
    public void The_first_weights_come_from_the_generator()
    {
        using var first = new Generator(11);
        using var second = new Generator(11);
        using var left = new GatingNetwork(Noisy, first);
        using var right = new GatingNetwork(Noisy, second);

        Compare.SameBits(left.Weight, right.Weight);
        left.Generator.Should().BeSameAs(first);
    }
}
