using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The K best, and K as a schedule moves it.</summary>
public sealed class TopKSelectionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 5)]
    public void The_best_experts_are_chosen_best_first(int seed, int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(7, topK));
        var z = Make.Normal(seed, 20, 7);
        using var decision = gate.Route(z);

        var expected = Direct.Rows(z).SelectMany(row => Enumerable.Range(0, 7).OrderByDescending(e => row[e]).Take(topK)).Select(e => (long)e);
        Compare.Longs(decision.Indices).Should().Equal(expected);
        decision.Chosen.Should().BeNull();
        gate.IsCausal.Should().BeTrue();
    }

    [Fact]
    public void A_schedule_lowers_K_from_dense_to_sparse_and_raises_it_again()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Dense(4, 4));
        var z = Make.Normal(1, 6, 4);
        foreach (var topK in new[] { 4, 3, 1, 2, 4 })
        {
            gate.TopK = topK;
            using var decision = gate.Route(z);

            decision.TopK.Should().Be(topK);
            decision.Load.Sum().Should().Be(6 * topK);
            Compare.Doubles(decision.Weights.sum(dim: 1)).Should().AllSatisfy(sum => sum.Should().BeApproximately(1, 1e-14));
        }
        gate.Options.TopK.Should().Be(4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void K_stays_between_one_and_the_number_of_experts(int topK)
    {
        using var gate = Direct.Gate(Direct.Options(4, 2));

        gate.Invoking(g => g.TopK = topK).Should().Throw<ArgumentException>()
            .WithMessage($"GatingOptions is not valid: TopK ({topK}) must lie between 1 and ExpertCount (4).*");
        gate.TopK.Should().Be(2);
    }

    [Fact]
    public void K_stays_in_the_bounds_of_the_rule_too()
    {
        using var grouped = Direct.Gate(Direct.Options(6, 2) with { Selection = new GroupLimitedSelection { Groups = 3, KeptGroups = 1, ScoresPerGroup = 1 } });
        using var balanced = Direct.Gate(PublishedGates.Base(4, 4));
        using var table = Direct.Gate(PublishedGates.Hash(4, 4, vocabularySize: 9, topK: 2));

        grouped.Invoking(g => g.TopK = 3).Should().Throw<ArgumentException>().WithMessage("*TopK (3) must be at most the experts of the kept groups (1 · 2).*");
        balanced.Invoking(g => g.TopK = 2).Should().Throw<ArgumentException>().WithMessage("*TopK (2) must be 1 for a balanced assignment.*");
        table.Invoking(g => g.TopK = 3).Should().Throw<ArgumentException>().WithMessage("*TopK (3) must be at most that of the table (2).*");
    }
}
