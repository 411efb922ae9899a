using System.Text.Json.Nodes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>The files of a checkpoint whose layers have other experts than before: what stays, what goes, and in which order.</summary>
public sealed class SurgeryFilesTests
{
    [Theory]
    [InlineData("mixtral", BlockLayout.PerExpert, 30_000)]
    [InlineData("mixtral", BlockLayout.PerExpert, long.MaxValue)]
    [InlineData("mixtral", BlockLayout.Fused, 30_000)]
    [InlineData("deepseek_v3", BlockLayout.PerExpert, 30_000)]
    [InlineData("deepseek_v3", BlockLayout.Fused, long.MaxValue)]
    [InlineData("qwen2_moe", BlockLayout.PerExpert, long.MaxValue)]
    [InlineData("gpt_oss", BlockLayout.Fused, 30_000)]
    [InlineData("gpt_oss", BlockLayout.PerExpert, 30_000)]
    [InlineData("deepseek_v3", BlockLayout.PerExpert, 30_000, true)]
    [InlineData("deepseek_v3", BlockLayout.Fused, 30_000, true)]
    public void Copies_that_are_added_and_removed_again_leave_every_file_with_the_same_bytes(string name, BlockLayout layout, long maxShardBytes, bool mixedTypes = false)
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of(name, layout, maxShardBytes, mixedTypes);
        using var target = new TemporaryFolder();
        using (var checkpoint = Checkpoint.Open(folder.FullName))
        {
            checkpoint.SaveEach(target.File("more"), info =>
            {
                using var block = checkpoint.Load(info);
                return block.With(ExpertAddition.AddCopies(block.Layer, [0, 2, 4, 6], OtherLayers.Exact).Layer);
            });
        }
        using (var more = Checkpoint.Open(target.File("more")))
        {
            more.Describe(more.Block()).Experts.Should().Be(12);
            more.SaveEach(target.File("back"), info =>
            {
                // In groups, copies stand at the end of each.
                using var block = more.Load(info);
                return block.With(ExpertRemoval.Remove(block.Layer, name == "deepseek_v3" ? [2, 5, 8, 11] : [8, 9, 10, 11]).Layer);
            });
        }
        SameFiles.Require(target.File("back"), folder.FullName);
        target.Names().Should().Equal("back", "more");
    }

    [Fact]
    public void A_shard_of_experts_that_are_all_gone_is_gone_and_others_keep_their_bytes()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("mixtral", BlockLayout.PerExpert, maxShardBytes: 10_000);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        PublishedBlock[] blocks = [.. checkpoint.Blocks.Select(info => OtherLayers.Pruned(checkpoint, info))];

        checkpoint.Save(target.File("saved"), blocks);

        var namesIn = checkpoint.Tensors.Entries.Keys.ToLookup(checkpoint.Files.FileOf);
        var gone = namesIn.Where(file => file.All(IsGone)).Select(file => file.Key).ToArray();
        gone.Should().NotBeEmpty();
        Directory.EnumerateFiles(target.File("saved"), "*.safetensors").Select(Path.GetFileName).Should().BeEquivalentTo(namesIn.Select(file => file.Key).Except(gone));
        foreach (var file in namesIn.Where(file => !file.Any(name => IsGone(name) || name.EndsWith("gate.weight", StringComparison.Ordinal))))
            SameFiles.RequireFile(Path.Combine(target.File("saved"), file.Key), folder.File(file.Key));

        static bool IsGone(string name) => name.Contains("experts.6.", StringComparison.Ordinal) || name.Contains("experts.7.", StringComparison.Ordinal);
    }

    [Fact]
    public void Pruned_in_the_other_layout_and_converted_back_every_shard_is_the_same()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("mixtral", BlockLayout.PerExpert, maxShardBytes: 30_000);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.SaveEach(target.File("pruned"), info => OtherLayers.Pruned(checkpoint, info));
        checkpoint.Convert(BlockLayout.Fused, target.File("fused"));
        using var fused = Checkpoint.Open(target.File("fused"));
        fused.SaveEach(target.File("fused and pruned"), info => OtherLayers.Pruned(fused, info));
        File.ReadAllText(Path.Combine(target.File("fused and pruned"), ShardIndex.FileName)).Should().Contain("experts.5.").And.NotContain("experts.6.");
        using var there = Checkpoint.Open(target.File("fused and pruned"));
        there.Convert(BlockLayout.PerExpert, target.File("back"));

        foreach (var path in Directory.EnumerateFiles(target.File("pruned"), "*.safetensors"))
            SameFiles.RequireFile(Path.Combine(target.File("back"), Path.GetFileName(path)), path);
        ShardIndex.Read(Path.Combine(target.File("back"), ShardIndex.FileName)).Should().BeEquivalentTo(ShardIndex.Read(Path.Combine(target.File("pruned"), ShardIndex.FileName)));
    }

    [Fact]
    public void An_index_that_is_not_sorted_keeps_its_order()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("mixtral", BlockLayout.PerExpert, maxShardBytes: 30_000);
        using var target = new TemporaryFolder();
        var path = folder.File(ShardIndex.FileName);
        string[] names = [.. ShardIndex.Read(path).Keys.Reverse()];
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json["weight_map"] = new JsonObject(json["weight_map"]!.AsObject().Reverse().Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));
        File.WriteAllText(path, json.ToJsonString());
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.SaveEach(target.File("fewer"), info => OtherLayers.Pruned(checkpoint, info));
        checkpoint.SaveEach(target.File("more"), info => OtherLayers.Doubled(checkpoint, info));

        Names("fewer").Should().Equal(names.Where(name => !name.Contains("experts.6.", StringComparison.Ordinal) && !name.Contains("experts.7.", StringComparison.Ordinal)));
        Names("more").Where(names.Contains).Should().Equal(names);
        Names("more").Select(name => name.Contains("layers.1.", StringComparison.Ordinal)).Should().BeInDescendingOrder("experts that are new come with those of their layer").And.HaveCount(names.Length + 48);

        string[] Names(string saved) => [.. ShardIndex.Read(Path.Combine(target.File(saved), ShardIndex.FileName)).Keys];
    }

    [Fact]
    public void One_block_after_the_other_gives_the_same_files_as_all_at_once()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("deepseek_v3", BlockLayout.PerExpert, maxShardBytes: 30_000);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        var asked = new List<BlockInfo>();
        PublishedBlock[] blocks = [.. checkpoint.Blocks.Select(info => OtherLayers.Doubled(checkpoint, info))];
        PublishedBlock? last = null;

        checkpoint.Save(target.File("at once"), blocks);
        checkpoint.SaveEach(target.File("one by one"), info =>
        {
            asked.Add(info);
            (((GatingNetwork?)last?.Layer.Gate)?.Weight.IsInvalid).Should().NotBe(false, "a block is disposed before the next is asked for");
            return last = OtherLayers.Doubled(checkpoint, info);
        });

        asked.Should().Equal(checkpoint.Blocks);
        SameFiles.Require(target.File("one by one"), target.File("at once"));
    }
}
