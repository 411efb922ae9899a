using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>Settings that no golden block has, against the publishers' formulas computed slowly.</summary>
public sealed class SettingTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    [Fact]
    public void Sixty_four_experts_of_Mixtral()
    {
        using var made = MadeBlock.Mixtral(64, 2).Write();
        made.Run().ShouldBe(MadeBlock.MixtralAnswer(2).Answers(made), made.Trainable);
    }

    [Theory]
    [InlineData("qwen3_moe", 64, 8, true)]
    [InlineData("qwen3_moe", 64, 8, false)]
    [InlineData("qwen3_moe", 8, 3, false)]
    [InlineData("qwen3_moe", 8, 1, true)]
    [InlineData("olmoe", 8, 3, true)]
    [InlineData("olmoe", 4, 4, false)]
    public void Probabilities_of_the_chosen_add_up_to_one_only_where_the_settings_say_so(string modelType, int experts, int choices, bool renormalize)
    {
        using var made = MadeBlock.Qwen3(experts, choices, renormalize, modelType).Write();
        made.Run().ShouldBe(MadeBlock.QwenAnswer(choices, renormalize).Answers(made), made.Trainable);
    }

    [Theory]
    [InlineData(8, 2, 4, 2, true, 2.5)]
    [InlineData(8, 2, 4, 2, false, 2.5)]
    [InlineData(8, 3, 2, 1, false, 1.0)]
    [InlineData(64, 8, 8, 4, true, 2.5)]
    public void Experts_of_DeepSeek_are_chosen_within_groups(int experts, int choices, int groups, int kept, bool renormalize, double scale)
    {
        using var made = MadeBlock.DeepSeek(experts, choices, groups, kept, renormalize, scale).Write();
        made.Run().ShouldBe(MadeBlock.DeepSeekAnswer(choices, groups, kept, renormalize, scale).Answers(made), made.Trainable);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 2)]
    public void Negative_selection_biases_choose_and_do_not_weigh(int groups, int kept)
    {
        using var made = MadeBlock.DeepSeek(experts: 8, choices: 2, groups, kept, renormalize: true, scale: 1);
        made.Weights[$"{MadeBlock.Mlp}gate.e_score_correction_bias"] = tensor(new[] { -3f, -1.1f, -1.2f, -4f, -2f, -1.3f, -1.4f, -2.5f });
        made.Write();

        var ours = made.Run();

        ours.ShouldBe(MadeBlock.DeepSeekAnswer(2, groups, kept, renormalize: true, 1).Answers(made), made.Trainable);
        Compare.Doubles(ours["routing_weights"]).Should().OnlyContain(weight => weight > 0);
    }

    [Fact]
    public void Dead_experts_are_never_chosen_and_get_zeros_for_gradients()
    {
        using var made = MadeBlock.Mixtral(8, 2);
        foreach (var expert in new[] { 2, 5 })
            made.Weights[$"{MadeBlock.Sparse}gate.weight"][expert].fill_(-100);
        made.Numbers["input"] = made.Numbers["input"].abs();
        made.Write();

        var ours = made.Run();

        ours.ShouldBe(MadeBlock.MixtralAnswer(2).Answers(made), made.Trainable);
        Compare.Longs(ours["selected_experts"]).Should().NotContain([2L, 5L]);
        foreach (var name in ours.Keys.Where(name => name.Contains("experts.2.", StringComparison.Ordinal) || name.Contains("experts.5.", StringComparison.Ordinal)))
            Compare.Doubles(ours[name]).Should().OnlyContain(number => number == 0, name);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Tokens_beyond_the_capacity_of_Switch_get_zeros(int capacity)
    {
        using var published = BlockFolder.Golden("switch_transformers");
        published.Config["expert_capacity"] = capacity;
        published.Write();
        var theirs = published.Numbers;

        var ours = published.Run();

        // Places are counted in each sequence, in its order; a token that has one gets what it got when there were plenty.
        var experts = Compare.Longs(theirs["selected_experts"]);
        var kept = new bool[32];
        for (var token = 0; token < 32; token++)
            kept[token] = Enumerable.Range(token / 16 * 16, token % 16).Count(before => experts[before] == experts[token]) < capacity;
        kept.Should().Contain(false);
        var mask = tensor(kept.Select(one => one ? 1f : 0f).ToArray()).reshape(2, 16, 1);
        foreach (var name in new[] { "output", "grad_input" })
        {
            Deviation.Of(name, ours[name], theirs[name] * mask).IsTooLarge.Should().BeFalse();
            Compare.Distance(ours[name] * (1 - mask), zeros(1)).Should().Be(0, "what is dropped is exactly 0 in {0}", name);
        }
        Deviation.Of("router_logits", ours["router_logits"], theirs["router_logits"]).IsTooLarge.Should().BeFalse();
        ours["selected_experts"].shape.Should().Equal(2, 16, 1);
        Compare.Longs(ours["selected_experts"]).Where((_, token) => kept[token]).Should().Equal(experts.Where((_, token) => kept[token]));
    }

    public void Dispose() => _scope.Dispose();
}
