using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class CheckpointTests
{
    [Fact]
    public void A_model_that_is_not_known_is_refused_with_the_list_of_those_that_are()
    {
        using var folder = Mixtral((config, _) => config.Replace("mixtral", "mixtrail", StringComparison.Ordinal));
        folder.Invoking(it => Checkpoint.Open(it.FullName)).Should().Throw<NotSupportedException>().WithMessage("*mixtrail*deepseek_v3*mixtral*switch_transformers*");
    }

    [Fact]
    public void A_family_of_ones_own_is_one_description()
    {
        using var folder = Mixtral((config, _) => config.Replace("mixtral", "mine", StringComparison.Ordinal));
        using var checkpoint = Checkpoint.Open(folder.FullName, [ModelFamilies.Of("mixtral") with { ModelType = "mine", Name = "Mine" }]);
        using var block = checkpoint.LoadBlock();
        block.Family.Name.Should().Be("Mine");
    }

    [Fact]
    public void Everything_that_is_missing_unexpected_or_of_another_shape_is_in_one_message()
    {
        using var scope = NewDisposeScope();
        using var folder = Mixtral((config, tensors) =>
        {
            tensors.Remove("model.layers.0.block_sparse_moe.experts.3.w2.weight");
            tensors["model.layers.0.block_sparse_moe.experts.8.w1.weight"] = zeros(64, 32);
            tensors["model.layers.0.block_sparse_moe.experts.0.w1.bias"] = zeros(64);
            tensors["model.layers.0.block_sparse_moe.gate.weight"] = zeros(8, 16);
            tensors["model.layers.0.block_sparse_moe.experts.1.w1.weight"] = zeros(64, 32, dtype: ScalarType.Int64);
            tensors["model.layers.0.self_attn.q_proj.weight"] = zeros(2, 2);
            return config;
        });
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.LoadBlock()).Should().Throw<InvalidDataException>().Which.Message.Should()
            .Contain("experts.3.w2.weight is missing").And.Contain("experts.8.w1.weight is unexpected").And.Contain("experts.0.w1.bias is unexpected")
            .And.Contain("gate.weight is of shape [8, 16]; expected [8, 32]").And.Contain("experts.1.w1.weight is of type Int64").And.NotContain("self_attn");
    }

    [Fact]
    public void A_setting_that_is_missing_is_named()
    {
        using var folder = Mixtral((config, _) => config.Replace("num_experts_per_tok", "num_experts_per_token", StringComparison.Ordinal));
        folder.Invoking(it => Checkpoint.Open(it.FullName)).Should().Throw<InvalidDataException>().WithMessage("*num_experts_per_tok is not there; expected a whole number*");
    }

    [Fact]
    public void Blocks_are_found_by_layer_and_others_are_said_not_to_be_there()
    {
        using var scope = NewDisposeScope();
        using var folder = Mixtral((config, tensors) =>
        {
            foreach (var (name, value) in tensors.ToArray())
                tensors[name.Replace("layers.0.", "layers.12.", StringComparison.Ordinal)] = value;
            return config;
        });
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Blocks.Select(block => block.Layer).Should().Equal(0, 12);
        using var block = checkpoint.LoadBlock(12);
        block.Info.Beginning.Should().Be("model.layers.12.");
        checkpoint.Invoking(it => it.LoadBlock(3)).Should().Throw<ArgumentException>().WithMessage("*Layer 3*layers 0, 12*");
    }

    [Fact]
    public void Shards_come_back_from_the_other_layout_with_the_same_bytes()
    {
        using var scope = NewDisposeScope();
        using var folder = Mixtral((config, tensors) =>
        {
            tensors["model.embed_tokens.weight"] = randn(10, 32);
            return config;
        }, maxShardBytes: 30_000);
        using var target = new TemporaryFolder();
        using (var checkpoint = Checkpoint.Open(folder.FullName))
            checkpoint.Convert(BlockLayout.Fused, target.File("fused"));
        using (var fused = Checkpoint.Open(target.File("fused")))
            fused.Convert(BlockLayout.PerExpert, target.File("back"));
        Directory.EnumerateFiles(target.File("fused")).Count().Should().BeLessThan(Directory.EnumerateFiles(folder.FullName).Count(), "some shards held parts only");
        SameFiles.Require(target.File("back"), folder.FullName);
        Directory.EnumerateFileSystemEntries(target.FullName).Should().HaveCount(2, "nothing is left beside the results");
    }

    [Fact]
    public void Blocks_that_did_not_change_are_saved_with_the_same_bytes_and_those_that_did_with_theirs()
    {
        using var scope = NewDisposeScope();
        using var folder = Mixtral((config, tensors) =>
        {
            tensors["model.embed_tokens.weight"] = randn(10, 32);
            return config;
        }, maxShardBytes: 60_000);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        checkpoint.Save(target.File("same"), [block]);
        SameFiles.Require(target.File("same"), folder.FullName);

        using (no_grad())
        {
            foreach (var parameter in block.Layer.parameters())
                parameter.mul_(2);
        }
        checkpoint.Save(target.File("changed"), [block]);
        using var changed = Checkpoint.Open(target.File("changed"));
        using var again = changed.LoadBlock();
        var input = randn(1, 5, 32);
        Core.Tests.Compare.SameBits(again.Layer.forward(input), block.Layer.forward(input));
        using var elsewhere = SafetensorsFolder.Open(target.File("changed"));
        Core.Tests.Compare.SameBits(elsewhere.ReadTensor("model.embed_tokens.weight"), ((SafetensorsFolder)checkpoint.Tensors).ReadTensor("model.embed_tokens.weight"));
        checkpoint.Invoking(it => it.Save(target.File("twice"), [block, block])).Should().Throw<ArgumentException>().WithMessage("*there twice*");
        using var kept = checkpoint.LoadBlock(options: new() { Compression = WeightCompression.Int8 });
        checkpoint.Invoking(it => it.Save(target.File("small"), [kept])).Should().Throw<NotSupportedException>().WithMessage("*Int8*");
        Directory.EnumerateFileSystemEntries(target.FullName).Should().HaveCount(2, "nothing is left of what failed");
    }

    [Fact]
    public void A_block_goes_into_a_copy_of_its_checkpoint_in_the_types_of_the_copy()
    {
        using var scope = NewDisposeScope();
        using var single = new PublishedCase("mixtral").Checkpoint();
        using var half = new PublishedCase("mixtral_bf16").Checkpoint();
        using var target = new TemporaryFolder();
        using var source = Checkpoint.Open(single.FullName);
        using var other = Checkpoint.Open(half.FullName);
        using var block = source.LoadBlock();
        other.Save(target.File("half"), [block]);
        using (var there = other.LoadBlock())
            source.Save(target.File("single"), [there]);

        RequireWeights(target.File("half"), single.FullName, ScalarType.BFloat16);
        RequireWeights(target.File("single"), half.FullName, ScalarType.Float32);
    }

    [Fact]
    public void A_block_does_not_go_into_a_checkpoint_whose_blocks_are_larger_or_smaller()
    {
        using var scope = NewDisposeScope();
        using var folder = Mixtral((config, tensors) =>
        {
            foreach (var (name, weight) in tensors.ToArray())
                tensors[name] = name.EndsWith("gate.weight", StringComparison.Ordinal) ? weight : cat([weight, weight], name.EndsWith("w2.weight", StringComparison.Ordinal) ? 1 : 0);
            return config.Replace("\"intermediate_size\": 64", "\"intermediate_size\": 128", StringComparison.Ordinal);
        });
        using var small = new PublishedCase("mixtral").Checkpoint();
        using var target = new TemporaryFolder();
        using var first = Checkpoint.Open(small.FullName);
        using var second = Checkpoint.Open(folder.FullName);
        using var block = first.LoadBlock();
        using var twice = second.LoadBlock();
        second.Invoking(it => it.Save(target.File("x"), [block])).Should().Throw<ArgumentException>().WithMessage("*w1.weight of shape [64, 32]; expected [128, 32]*");
        first.Invoking(it => it.Save(target.File("x"), [twice])).Should().Throw<ArgumentException>().WithMessage("*w1.weight of shape [128, 32]; expected [64, 32]*");
        first.Invoking(it => it.Save(target.File("x"), [null!])).Should().Throw<ArgumentNullException>().WithParameterName("blocks");
        target.Names().Should().BeEmpty();
    }

    [Fact]
    public void Blocks_that_a_checkpoint_does_not_have_are_refused()
    {
        using var folder = new PublishedCase("mixtral").Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        foreach (var block in new[] { checkpoint.Blocks[0] with { Layout = BlockLayout.Mxfp4 }, checkpoint.Blocks[0] with { Layout = BlockLayout.Fused }, new BlockInfo(7, "model.layers.7.", BlockLayout.PerExpert) })
        {
            checkpoint.Invoking(it => it.Load(block)).Should().Throw<ArgumentException>().WithMessage($"*no block {block.Beginning} ({block.Layout})*").WithParameterName("block");
            checkpoint.Invoking(it => it.Describe(block)).Should().Throw<ArgumentException>().WithParameterName("block");
        }
    }

    [Fact]
    public void A_block_that_is_disposed_gives_no_weights()
    {
        using var folder = new PublishedCase("mixtral").Checkpoint();
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        var block = checkpoint.LoadBlock();
        block.Dispose();
        block.Invoking(it => it.Weights()).Should().Throw<ObjectDisposedException>();
        checkpoint.Invoking(it => it.Save(target.File("x"), [block])).Should().Throw<ObjectDisposedException>();
        target.Names().Should().BeEmpty();
    }

    [Fact]
    public void A_config_that_cannot_be_read_is_not_taken_for_one_that_is_not_there()
    {
        using var folder = new TemporaryFolder();
        folder.Invoking(it => Checkpoint.Open(it.FullName)).Should().Throw<InvalidDataException>().WithMessage("*has no config.json*");
        Directory.CreateDirectory(folder.File("config.json"));
        folder.Invoking(it => Checkpoint.Open(it.FullName)).Should().Throw<IOException>().WithMessage("*config.json cannot be read: It is a folder.");
    }

    [Fact]
    public void A_folder_that_is_not_empty_is_not_written_into()
    {
        using var folder = new PublishedCase("mixtral").Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.Convert(BlockLayout.Fused, folder.FullName)).Should().Throw<IOException>().WithMessage("*is there already*");
        Directory.EnumerateFiles(folder.FullName).Should().HaveCount(2);
    }

    [Fact]
    public void Loading_leaves_no_tensors_behind()
    {
        using var folder = new PublishedCase("qwen2_moe").Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.LoadBlock().Dispose();
        var before = TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var round = 0; round < 3; round++)
            checkpoint.LoadBlock().Dispose();
        TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(before);
    }

    /// <summary>A checkpoint has the numbers of another in a type of its own.</summary>
    private static void RequireWeights(string folder, string expected, ScalarType type)
    {
        using var written = SafetensorsFolder.Open(folder);
        using var source = SafetensorsFolder.Open(expected);
        written.Entries.Keys.Should().BeEquivalentTo(source.Entries.Keys);
        foreach (var name in source.Entries.Keys)
        {
            written.ReadTensor(name).dtype.Should().Be(type);
            Core.Tests.Compare.SameBits(written.ReadTensor(name), source.ReadTensor(name).to(type), name);
        }
    }

    /// <summary>A Mixtral checkpoint with something changed.</summary>
    private static TemporaryFolder Mixtral(Func<string, Dictionary<string, Tensor>, string> change, long maxShardBytes = long.MaxValue)
    {
        using var scope = NewDisposeScope();
        using var source = new PublishedCase("mixtral").Checkpoint();
        using var file = SafetensorsFile.Open(source.File("weights.safetensors"));
        var tensors = file.Entries.Keys.ToDictionary(name => name, file.ReadTensor);
        var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), change(File.ReadAllText(source.File("config.json")), tensors));
        SafetensorsWriter.WriteShards(
            folder.FullName, tensors.Select(pair => new TensorDescription(pair.Key, pair.Value.dtype == ScalarType.Int64 ? ElementType.Int64 : ElementType.Float32, pair.Value.shape)),
            (name, first, bytes) => Core.Tests.Compare.Bits(tensors[name]).AsSpan((int)first, bytes.Length).CopyTo(bytes), maxShardBytes, new Dictionary<string, string> { ["format"] = "pt" });
        return folder;
    }
}
