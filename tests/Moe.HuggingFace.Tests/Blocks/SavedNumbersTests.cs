using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>What a checkpoint's settings have no place for.</summary>
public sealed class SavedNumbersTests
{
    [Fact]
    public void Blocks_with_other_experts_must_be_all_and_agree()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("mixtral", BlockLayout.PerExpert);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var six = Without(checkpoint, 0, [0, 1]);
        using var five = Without(checkpoint, 1, [0, 1, 2]);
        using var eight = checkpoint.LoadBlock(1);

        Refused([six]).WithMessage("*all 2 blocks of the checkpoint are given and agree; given are 1 with 6 experts and K = 2 (model.layers.0.)*");
        Refused([six, five]).WithMessage("*given are 1 with 6 experts and K = 2 (model.layers.0.), 1 with 5 experts and K = 2 (model.layers.1.)*");
        Refused([six, eight]).WithMessage("*1 with 8 experts and K = 2 (model.layers.1.)*");
        Refused([six, six]).WithMessage("*model.layers.0. is there twice*");
        checkpoint.Invoking(it => it.SaveEach(target.File("each"), info => Without(it, info.Layer, info.Layer == 0 ? [0] : [0, 1]))).Should().Throw<ArgumentException>()
            .WithMessage("*model.layers.1. has 6 experts and K = 2, those before it 7 and K = 2*");
        checkpoint.Invoking(it => it.SaveEach(target.File("each"), _ => Without(it, 1, [0]))).Should().Throw<ArgumentException>().WithMessage("*model.layers.0. was asked for, and model.layers.1. was given*");
        target.Names().Should().BeEmpty("nothing is left of what failed");

        FluentAssertions.Specialized.ExceptionAssertions<ArgumentException> Refused(PublishedBlock[] blocks) =>
            checkpoint.Invoking(it => it.Save(target.File("saved"), blocks)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_K_that_is_fixed_cannot_change()
    {
        using var scope = NewDisposeScope();
        foreach (var (name, topK) in new[] { ("switch_transformers", 2), ("phimoe", 1) })
        {
            using var folder = new PublishedCase(name).Checkpoint();
            using var target = new TemporaryFolder();
            using var checkpoint = Checkpoint.Open(folder.FullName);
            using var block = checkpoint.LoadBlock();
            using var other = block.With(ExpertRemoval.Remove(block.Layer, [], topK).Layer);
            checkpoint.Invoking(it => it.Save(target.File("saved"), [other])).Should().Throw<ArgumentException>().WithMessage($"*no field for K ({3 - topK}), which cannot become {topK}*TopKFields is empty*");
        }
    }

    [Fact]
    public void A_family_of_ones_own_says_where_its_numbers_are()
    {
        using var scope = NewDisposeScope();
        using var folder = new PublishedCase("mixtral").Checkpoint();
        using var target = new TemporaryFolder();
        var mine = ModelFamilies.Of("mixtral") with { Name = "Mine", ExpertFields = [] };
        using (var checkpoint = Checkpoint.Open(folder.FullName, [mine]))
        {
            using var six = Without(checkpoint, 0, [0, 1]);
            checkpoint.Invoking(it => it.Save(target.File("saved"), [six])).Should().Throw<ArgumentException>().WithMessage("*Mine model have no field for the number of experts (8), which cannot become 6*ExpertFields is empty*");
        }
        using (var checkpoint = Checkpoint.Open(folder.FullName, [mine with { ExpertFields = ["num_experts"] }]))
        {
            using var six = Without(checkpoint, 0, [0, 1]);
            checkpoint.Invoking(it => it.Save(target.File("saved"), [six])).Should().Throw<ArgumentException>().WithMessage("*With 6 in ExpertFields*has 8 experts*");
        }
        target.Names().Should().BeEmpty();
    }

    [Fact]
    public void No_family_leaves_out_where_its_number_of_experts_is() => ModelFamilies.All.Should().OnlyContain(family => family.ExpertFields.Count > 0);

    public static TheoryData<string> MadeUp => [.. MadeUpBlock.All.Select(block => block.Name)];

    [Theory]
    [MemberData(nameof(MadeUp))]
    public void Every_family_has_its_numbers_in_its_settings(string name)
    {
        using var scope = NewDisposeScope();
        var made = MadeUpBlock.All.Single(block => block.Name == name);
        using var folder = new TemporaryFolder();
        using var target = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), made.Config);
        SafetensorsWriter.Write(folder.File("model.safetensors"), made.Weights(1));
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        using var other = block.With((name.Contains("groups", StringComparison.Ordinal)
            ? ExpertAddition.AddCopies(block.Layer, [0, 2, 4, 6], topK: 2)
            : ExpertRemoval.Remove(block.Layer, [2, 3, 7], topK: 2)).Layer);

        checkpoint.Save(target.File("saved"), [other]);

        using var saved = Checkpoint.Open(target.File("saved"));
        using var again = saved.LoadBlock();
        var facts = saved.Describe(saved.Block());
        (facts.Experts, facts.TopK).Should().Be((other.Layer.Experts.Count, 2));
        var input = randn(2, 10, MadeUpBlock.Width);
        Core.Tests.Compare.SameBits(again.Layer.forward(input), other.Layer.forward(input));
    }

    [Fact]
    public void In_a_model_of_several_parts_the_numbers_are_those_of_the_language_model()
    {
        using var scope = NewDisposeScope();
        var made = MadeUpBlock.All.Single(block => block.Name == "llama4_text");
        using var folder = new TemporaryFolder();
        using var target = new TemporaryFolder();
        var config = $$"""{"model_type":"llama4","vision_config":{"num_local_experts":3},"text_config":{{made.Config.Replace("\"num_experts_per_tok\":1", "\"rope_theta\":1e4", StringComparison.Ordinal)}}}""";
        File.WriteAllText(folder.File("config.json"), config);
        SafetensorsWriter.Write(folder.File("model.safetensors"), made.Weights(1));
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        using var other = block.With(ExpertRemoval.Remove(block.Layer, [0], topK: 2).Layer);

        checkpoint.Save(target.File("saved"), [other]);

        File.ReadAllText(Path.Combine(target.File("saved"), "config.json")).Should().Be(
            config.Replace("\"num_local_experts\":8", "\"num_local_experts\":7", StringComparison.Ordinal).Replace("1e4", "1e4,\"num_experts_per_tok\": 2", StringComparison.Ordinal));
    }

    private static PublishedBlock Without(Checkpoint checkpoint, int layer, int[] experts)
    {
        using var block = checkpoint.LoadBlock(layer);
        return block.With(ExpertRemoval.Remove(block.Layer, experts).Layer);
    }
}
