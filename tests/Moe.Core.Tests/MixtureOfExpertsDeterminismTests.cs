using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The same seed gives the same bits; order and company of tokens do not matter; threads do not disturb each other.</summary>
public sealed class MixtureOfExpertsDeterminismTests
{
    [Fact]
    public void The_same_seed_gives_the_same_bits_over_two_training_runs()
    {
        Train().Should().Equal(Train());

        static byte[] Train()
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(21);
            var options = Make.Options(topK: 2) with { Noise = new LearnedNoise(), Capacity = new() { Factor = 0.9 } };
            using var layer = new MixtureOfExperts(
                new GatingNetwork(options, generator),
                StackedExperts.FeedForward(4, Make.FeedForward(), generator),
                [new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 3 }, generator)]);
            using var optimizer = optim.AdamW(layer.parameters(), 0.01);
            for (var step = 0; step < 5; step++)
            {
                layer.zero_grad();
                using var result = layer.ForwardWithRouting(Make.Normal(step, ScalarType.Float32, 16, 4));
                (result.Output.square().mean() + LoadBalance.Loss(result.Routing)).backward();
                optimizer.step();
            }
            return [.. layer.parameters().SelectMany(Compare.Bits)];
        }
    }

    [Fact]
    public void Permuting_tokens_permutes_outputs()
    {
        var cases =
            from tokens in Gen.Int[1, 12]
            from experts in Gen.Int[1, 6]
            from topK in Gen.Int[1, experts]
            from seed in Gen.Int[1, 1000]
            from order in Gen.Shuffle(Enumerable.Range(0, tokens).Select(t => (long)t).ToArray())
            select (experts, topK, seed, order);
        cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var layer = Make.Layer(Make.Options(c.experts, c.topK), c.seed, shared: 1);
                var x = Make.Normal(c.seed, c.order.Length, 4);
                var places = tensor(c.order);

                using var straight = layer.ForwardWithRouting(x);
                using var shuffled = layer.ForwardWithRouting(x.index_select(0, places));

                Compare.Close(shuffled.Output, straight.Output.index_select(0, places), 1e-12);
                Compare.SameBits(shuffled.Routing.Indices, straight.Routing.Indices.index_select(0, places));
                shuffled.Routing.Load.Should().Equal(straight.Routing.Load);
            },
            iter: 100, threads: 1);
    }

    [Fact]
    public void Decisions_obey_their_laws()
    {
        var cases =
            from tokens in Gen.Int[1, 12]
            from experts in Gen.Int[1, 6]
            from topK in Gen.Int[1, experts]
            from before in Gen.Bool
            from renormalize in Gen.Bool
            from straight in Gen.Bool
            from noisy in Gen.Bool
            from seed in Gen.Int[1, 1000]
            select (tokens, seed, Options: Make.Options(experts, topK) with
            {
                Softmax = before ? SoftmaxOrder.BeforeSelection : SoftmaxOrder.AfterSelection,
                Renormalize = renormalize,
                StraightThrough = straight,
                Noise = noisy ? new LearnedNoise() : null,
            });
        cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var gate = Make.Gate(c.Options, c.seed);
                using var decision = gate.Route(Make.Normal(c.seed, c.tokens, 4));

                (decision.TokenCount, decision.TopK, decision.ExpertCount).Should().Be((c.tokens, c.Options.TopK, c.Options.ExpertCount));
                Compare.Longs(decision.Indices).Chunk(c.Options.TopK)
                    .Should().OnlyContain(row => row.Distinct().Count() == row.Length && row.All(e => e >= 0 && e < c.Options.ExpertCount));
                Compare.Doubles(decision.Scores.sum(dim: 1)).Should().OnlyContain(sum => Math.Abs(sum - 1) < 1e-12);
                var toOne = c.Options.Softmax == SoftmaxOrder.AfterSelection || c.Options.Renormalize || c.Options.TopK == c.Options.ExpertCount;
                Compare.Doubles(decision.Weights.sum(dim: 1)).Should().OnlyContain(sum => toOne ? Math.Abs(sum - 1) < 1e-12 : sum < 1);
                Compare.Longs(decision.Counts).Should().Equal(decision.Load);
                decision.Load.Should().Equal(decision.Assigned);
                decision.Load.Sum().Should().Be(c.tokens * c.Options.TopK);
            },
            iter: 100, threads: 1);
    }

    [Fact]
    public async Task Two_threads_with_passes_of_their_own_get_the_results_of_serial_runs()
    {
        using var layer = Make.Layer(Make.Options() with { Capacity = new() { Factor = 1 } }, shared: 1);
        var serial = Enumerable.Range(0, 2).Select(Run).ToArray();

        var parallel = await Task.WhenAll(Enumerable.Range(0, 2).Select(seed => Task.Factory.StartNew(
            () => Run(seed), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        for (var seed = 0; seed < 2; seed++)
            parallel[seed].Should().Equal(serial[seed]);

        byte[] Run(int seed)
        {
            var bytes = new List<byte>();
            for (var i = 0; i < 20; i++)
            {
                using var scope = NewDisposeScope();
                using var pass = new RoutingPass();
                bytes.AddRange(Compare.Bits(layer.forward(Make.Normal(seed * 100 + i, 12, 4), pass)));
                var only = pass.Layers.Should().ContainSingle().Subject;
                bytes.AddRange(Compare.Bits(only.Decision.Weights));
            }
            return [.. bytes];
        }
    }
}
