using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>DeepSeek-V3's bias chooses, and does nothing else. Published code got this wrong in two ways.</summary>
public sealed class SelectionBiasGoldenTests
{
    [Fact]
    public void A_bias_that_makes_every_score_negative_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var block = TransformerBlock.Build(GoldenCase.Read("deepseek_v3"));
        Shift(block);

        block.Answer().ShouldAgree();
    }

    [Fact]
    public void Losing_groups_at_0_would_win_over_scores_that_the_bias_has_made_negative()
    {
        using var scope = NewDisposeScope();
        using var block = TransformerBlock.Build(
            GoldenCase.Read("deepseek_v3"), gate => gate with { Selection = new LosersAtZero((GroupLimitedSelection)gate.Selection) });

        block.Answer().Wrong().Should().BeEmpty("with the published bias the winners' scores are positive, which is how the mistake went unseen");
        Shift(block);
        block.Answer().Wrong().Should().Contain("selected_experts").And.Contain("output");
    }

    [Fact]
    public void A_bias_in_the_weights_would_choose_the_same_and_answer_something_else()
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read("deepseek_v3");
        var bias = golden.Weights.Single(pair => pair.Key.EndsWith("e_score_correction_bias", StringComparison.Ordinal)).Value;
        using var block = TransformerBlock.Build(golden, gate => gate with { SelectionBias = false, Score = new BiasedSigmoid(bias) });

        block.Answer().Wrong().Should().Contain("routing_weights").And.Contain("output").And.NotContain("selected_experts");
    }

    /// <summary>One number for all experts, which no choice depends on.</summary>
    private static void Shift(GoldenBlock block)
    {
        using var noGrad = no_grad();
        block.Layer.Network.SelectionBias!.sub_(2);
    }

    private sealed record LosersAtZero(GroupLimitedSelection Rule) : SelectionRule
    {
        public override Selected Choose(SelectionInput input)
        {
            var byGroup = input.Keys.reshape(input.Keys.size(0), Rule.Groups, -1);
            var groups = byGroup.topk(Rule.ScoresPerGroup).values.sum(dim: -1);
            var winners = groups.ge(groups.topk(Rule.KeptGroups).values.narrow(1, Rule.KeptGroups - 1, 1));
            return new Selected((byGroup * winners.unsqueeze(-1)).reshape(input.Keys.shape).topk(input.TopK).indexes);
        }
    }

    private sealed record BiasedSigmoid(Tensor Bias) : ScoreFunction("biased sigmoid")
    {
        public override Tensor Score(Tensor logits) => logits.sigmoid() + Bias;
    }
}
