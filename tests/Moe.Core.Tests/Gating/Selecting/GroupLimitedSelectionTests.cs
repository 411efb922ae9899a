using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts of the best groups only: DeepSeek-V2 by the best of a group, V3 by the sum of the best two.</summary>
public sealed class GroupLimitedSelectionTests
{
    [Theory]
    [InlineData(1, 1, 0.0)]
    [InlineData(2, 1, -3.0)]
    [InlineData(3, 2, 0.0)]
    [InlineData(4, 2, -3.0)]
    [InlineData(5, 3, -3.0)]
    public void The_best_experts_of_the_best_groups_are_chosen_also_if_every_biased_score_is_negative(int seed, int scoresPerGroup, double bias)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(12, 4) with
        {
            Score = ScoreFunction.Sigmoid,
            SelectionBias = true,
            Selection = new GroupLimitedSelection { Groups = 4, KeptGroups = 2, ScoresPerGroup = scoresPerGroup },
        });
        var z = Make.Normal(seed, 200, 12);
        using (no_grad())
            gate.SelectionBias!.copy_(Make.Normal(seed + 50, 12) * 0.2 + bias);
        using var decision = gate.Route(z);

        var b = Compare.Doubles(gate.SelectionBias!);
        var expected = Direct.Rows(z).Select(row =>
        {
            var keys = row.Select((logit, e) => 1 / (1 + Math.Exp(-logit)) + b[e]).ToArray();
            var groups = Enumerable.Range(0, 4)
                .OrderByDescending(g => keys.Skip(3 * g).Take(3).OrderDescending().Take(scoresPerGroup).Sum()).Take(2).ToArray();
            return Enumerable.Range(0, 12).Where(e => groups.Contains(e / 3)).OrderByDescending(e => keys[e]).Take(4).Select(e => (long)e);
        });
        Compare.Longs(decision.Indices).Should().Equal(expected.SelectMany(row => row));
    }

    [Fact]
    public void One_strong_expert_wins_for_its_group_by_the_best_and_two_good_ones_by_the_sum()
    {
        using var scope = NewDisposeScope();
        var z = tensor(new double[] { 3, -2, 1, 0.95 }).reshape(1, 4);
        long[] Choose(int scoresPerGroup)
        {
            using var gate = Direct.Gate(Direct.Options(4, 1) with
            {
                Score = ScoreFunction.Sigmoid,
                Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1, ScoresPerGroup = scoresPerGroup },
            });
            return Compare.Longs(gate.Route(z).Indices);
        }

        Choose(1).Should().Equal(0);
        // 0.73 + 0.72 is more than 0.95 + 0.12.
        Choose(2).Should().Equal(2);
    }

    [Fact]
    public void All_groups_kept_is_plain_top_k()
    {
        using var scope = NewDisposeScope();
        using var plain = Direct.Gate(Direct.Options(6, 3));
        using var grouped = Direct.Gate(Direct.Options(6, 3) with { Selection = new GroupLimitedSelection { Groups = 3, KeptGroups = 3 } });
        var z = Make.Normal(1, 30, 6);

        Compare.SameBits(grouped.Route(z).Indices, plain.Route(z).Indices);
        Compare.SameBits(grouped.Route(z).Weights, plain.Route(z).Weights);
    }
}
