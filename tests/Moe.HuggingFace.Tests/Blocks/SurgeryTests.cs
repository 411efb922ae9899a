using System.Globalization;
using System.Text.RegularExpressions;
using Moe.Core;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Layers with other experts than a checkpoint has, written back as a checkpoint.</summary>
public sealed class SurgeryTests
{
    private static readonly Dictionary<string, Func<MixtureOfExperts, MixtureOfExperts>> Operations = new()
    {
        ["remove"] = layer => ExpertRemoval.Remove(layer, [1, 4, 6]).Layer,
        ["remove, K = 1"] = layer => ExpertRemoval.Remove(layer, [7], topK: 1).Layer,
        ["merge"] = layer => ExpertMerging.Merge(layer, [[0, 3], [2, 6, 7]]).Layer,
        ["add copies"] = layer => ExpertAddition.AddCopies(layer, [0, 5, 5, 2]).Layer,
        ["K = 3"] = layer => ExpertRemoval.Remove(layer, [], topK: 3).Layer,
        ["copies in groups"] = layer => ExpertAddition.AddCopies(layer, [0, 2, 4, 6]).Layer,
        ["copies in groups, removed"] = Grown(layer => ExpertRemoval.Remove(layer, [0, 5, 10, 15])),
        ["copies in groups, merged"] = Grown(layer => ExpertMerging.Merge(layer, [[0, 2], [4, 6], [9, 11], [12, 15]])),
        ["fresh in groups"] = layer => ExpertAddition.AddFresh(layer, 8).Layer,
    };

    public static TheoryData<string, BlockLayout, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, BlockLayout, string>();
            foreach (var layout in new[] { BlockLayout.PerExpert, BlockLayout.Fused })
            {
                foreach (var name in new[] { "mixtral", "qwen2_moe", "gpt_oss", "granitemoe" })
                {
                    foreach (var operation in new[] { "remove", "remove, K = 1", "merge", "add copies", "K = 3" })
                        cases.Add(name, layout, operation);
                }
                foreach (var operation in new[] { "copies in groups", "copies in groups, removed", "copies in groups, merged", "fresh in groups" })
                    cases.Add("deepseek_v3", layout, operation);
                // The router is in BFloat16 there, which has no room for a mean of two rows.
                cases.Add("mixtral_bf16", layout, "remove");
                cases.Add("phimoe", layout, "remove");
                cases.Add("switch_transformers", layout, "merge");
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_model_of_other_layers_opens_again_and_answers_the_same_bits(string name, BlockLayout layout, string operation)
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of(name, layout, maxShardBytes: 30_000);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var first = Made(checkpoint.Blocks[0]);
        using var second = Made(checkpoint.Blocks[1]);

        checkpoint.Save(target.File("saved"), [second, first]);

        using var saved = Checkpoint.Open(target.File("saved"));
        saved.Describe(saved.Block()).Experts.Should().Be(first.Layer.Experts.Count);
        saved.Describe(saved.Block()).TopK.Should().Be(((GatingNetwork)first.Layer.Gate).TopK);
        foreach (var (info, made) in saved.Blocks.Zip([first, second]))
        {
            info.Should().Be(made.Info);
            using var block = saved.Load(info);
            RequireSame(block.Weights(), made.Weights());
            Compare.SameBits(block.Layer.forward(Input(block)), made.Layer.forward(Input(block)));
        }
        RequireSameAround(checkpoint, saved);
        RequireTrueIndex(saved);

        PublishedBlock Made(BlockInfo info)
        {
            using var block = checkpoint.Load(info);
            return block.With(Operations[operation](block.Layer));
        }
    }

    [Theory]
    [InlineData("mixtral", BlockLayout.PerExpert)]
    [InlineData("qwen2_moe", BlockLayout.PerExpert)]
    [InlineData("qwen2_moe", BlockLayout.Fused)]
    [InlineData("gpt_oss", BlockLayout.PerExpert)]
    [InlineData("gpt_oss", BlockLayout.Fused)]
    [InlineData("granitemoe", BlockLayout.Fused)]
    [InlineData("switch_transformers", BlockLayout.PerExpert)]
    public void Tensors_of_experts_that_are_kept_and_rows_of_the_router_have_the_bytes_that_they_had(string name, BlockLayout layout)
    {
        using var scope = NewDisposeScope();
        int[] kept = [0, 2, 3, 5, 7];
        using var folder = TwoLayerModel.Of(name, layout);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.SaveEach(target.File("saved"), info =>
        {
            using var block = checkpoint.Load(info);
            return block.With(ExpertRemoval.Remove(block.Layer, [1, 4, 6]).Layer);
        });
        using var before = SafetensorsFolder.Open(folder.FullName);
        using var after = SafetensorsFolder.Open(target.File("saved"));

        var expected = new Dictionary<string, Tensor>();
        foreach (var tensor in before.Entries.Keys)
        {
            var number = Regex.Match(tensor, "experts\\.(?:expert_)?([0-9]+)\\.");
            var whole = before.ReadTensor(tensor);
            if (number.Success && Array.IndexOf(kept, int.Parse(number.Groups[1].ValueSpan, CultureInfo.InvariantCulture)) is var place)
            {
                if (place >= 0)
                    expected[$"{tensor[..number.Groups[1].Index]}{place}{tensor[(number.Groups[1].Index + 1)..]}"] = whole;
            }
            else
            {
                expected[tensor] = whole.size(0) == 8 ? whole.index_select(0, kept.Select(expert => (long)expert).ToArray()) : whole;
            }
        }

        after.Entries.Keys.Should().BeEquivalentTo(expected.Keys);
        foreach (var (tensor, whole) in expected)
            Compare.SameBits(after.ReadTensor(tensor), whole, tensor);
    }

    [Theory]
    [InlineData(BlockLayout.PerExpert)]
    [InlineData(BlockLayout.Fused)]
    public void Frozen_experts_are_written_wherever_they_lie(BlockLayout layout)
    {
        using var scope = NewDisposeScope();
        foreach (var name in new[] { "mixtral", "deepseek_v3", "qwen2_moe", "gpt_oss", "switch_transformers" })
        {
            using var folder = TwoLayerModel.Of(name, layout);
            using var target = new TemporaryFolder();
            using var checkpoint = Checkpoint.Open(folder.FullName);
            using var block = checkpoint.LoadBlock();
            using var frozen = block.With(ExpertFreezing.Freeze(block.Layer, [1, 2, 5], router: true).Layer);
            frozen.Layer.ExpertPlaces.Select(place => place!.Module).Distinct().Should().HaveCount(5);
            foreach (var other in new[] { BlockLayout.PerExpert, BlockLayout.Fused })
                RequireSame(frozen.Weights(other), block.Weights(other));

            checkpoint.Save(target.File("saved"), [frozen]);

            SameFiles.Require(target.File("saved"), folder.FullName);
        }
    }

    [Fact]
    public void Gradients_of_experts_in_several_stacks_come_under_their_names()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("gpt_oss", BlockLayout.Fused);
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        using var frozen = block.With(ExpertFreezing.Freeze(block.Layer, [3, 6]).Layer);
        var input = Input(block);
        block.Layer.forward(input).square().sum().backward();
        frozen.Layer.forward(input).square().sum().backward();

        var (all, some) = (block.Gradients(BlockLayout.PerExpert), frozen.Gradients(BlockLayout.PerExpert));

        some.Keys.Should().Equal(all.Keys);
        foreach (var (name, gradient) in some)
        {
            var isFrozen = name.Contains("experts.3.", StringComparison.Ordinal) || name.Contains("experts.6.", StringComparison.Ordinal);
            Compare.Close(gradient, isFrozen ? zeros_like(all[name]) : all[name], 1e-5 * Math.Max(1, all[name].abs().max().item<float>()), name);
        }
    }

    [Theory]
    [InlineData("deepseek_v3", "remove")]
    [InlineData("minimax_m2", "remove")]
    [InlineData("qwen3_moe", "add")]
    [InlineData("glm4_moe", "add")]
    public void A_quantised_model_takes_other_layers_once_it_is_decoded(string family, string operation)
    {
        using var scope = NewDisposeScope();
        using var folder = new Float8Model(family, 72, 40).Made().Write(maxShardBytes: 20_000);
        using var target = new TemporaryFolder();
        using (var quantised = Checkpoint.Open(folder.FullName))
        {
            quantised.Invoking(it => it.SaveEach(target.File("saved"), info => Other(it, info))).Should().Throw<NotSupportedException>().WithMessage("*is quantised in*Checkpoint.Decode*");
            quantised.Decode(target.File("decoded"));
        }
        using var decoded = Checkpoint.Open(target.File("decoded"));

        decoded.SaveEach(target.File("saved"), info => Other(decoded, info));

        using var saved = Checkpoint.Open(target.File("saved"));
        saved.Config.Has("quantization_config").Should().BeFalse();
        foreach (var info in saved.Blocks)
        {
            using var block = saved.Load(info);
            using var expected = Other(decoded, info);
            block.Layer.Experts.Should().HaveCount(operation == "add" ? 5 : 2);
            var input = randn(1, 20, 72).to(ScalarType.BFloat16);
            Compare.SameBits(block.Layer.forward(input), expected.Layer.forward(input));
        }
        saved.Tensors.Entries.Keys.Where(name => !name.Contains("experts.", StringComparison.Ordinal)).Should().BeEquivalentTo(decoded.Tensors.Entries.Keys.Where(name => !name.Contains("experts.", StringComparison.Ordinal)));
        RequireTrueIndex(saved);

        PublishedBlock Other(Checkpoint checkpoint, BlockInfo info)
        {
            using var block = checkpoint.Load(info);
            return block.With((operation == "add" ? ExpertAddition.AddCopies(block.Layer, [0, 2], OtherLayers.Exact) : ExpertRemoval.Remove(block.Layer, [1])).Layer);
        }
    }

    [Fact]
    public void A_K_that_a_schedule_has_changed_is_saved_with_all_blocks_and_refused_with_some()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("gpt_oss", BlockLayout.Fused);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        PublishedBlock[] blocks = [.. checkpoint.Blocks.Select(info => checkpoint.Load(info))];
        foreach (var block in blocks)
            ((GatingNetwork)block.Layer.Gate).TopK = 4;

        checkpoint.Save(target.File("saved"), blocks);

        var before = File.ReadAllText(folder.File("config.json"));
        var after = before.Replace("\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 4", StringComparison.Ordinal).Replace("\"experts_per_token\": 2", "\"experts_per_token\": 4", StringComparison.Ordinal);
        File.ReadAllText(Path.Combine(target.File("saved"), "config.json")).Should().Be(after).And.NotBe(before);
        checkpoint.Invoking(it => it.Save(target.File("one"), [blocks[0]])).Should().Throw<ArgumentException>()
            .WithMessage("*one number of experts (8) and one K (2) for all blocks*all 2 blocks*given are 1 with 8 experts and K = 4 (model.layers.0.)*");
    }

    [Fact]
    public void A_layer_of_a_copy_in_another_type_is_written_in_the_types_of_the_checkpoint()
    {
        using var scope = NewDisposeScope();
        using var wide = TwoLayerModel.Of("deepseek_v3", BlockLayout.PerExpert);
        using var narrow = TwoLayerModel.Of("deepseek_v3", BlockLayout.PerExpert, mixedTypes: true);
        using var target = new TemporaryFolder();
        using var copy = Checkpoint.Open(wide.FullName);
        using var checkpoint = Checkpoint.Open(narrow.FullName);

        checkpoint.SaveEach(target.File("saved"), info => OtherLayers.Doubled(copy, info));

        using var saved = Checkpoint.Open(target.File("saved"));
        saved.Tensors.Entries.Values.Should().OnlyContain(entry => entry.Type == (entry.Name.EndsWith("bias", StringComparison.Ordinal) ? ElementType.Float32 : ElementType.BFloat16));
        using var expected = OtherLayers.Doubled(copy, copy.Block());
        foreach (var (name, weight) in expected.Weights())
            Compare.SameBits(saved.Files.ReadTensor(name), weight.to(saved.Tensors.Entries[name].Type.ToTorch()), name);
    }

    [Fact]
    public void Blocks_of_another_width_and_blocks_that_have_been_disposed_are_refused()
    {
        using var scope = NewDisposeScope();
        using var folder = TwoLayerModel.Of("mixtral", BlockLayout.PerExpert);
        using var small = new TemporaryFolder();
        using var target = new TemporaryFolder();
        DecoderFolder.Mixtral.Write(small.FullName, 1);
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var other = Checkpoint.Open(small.FullName);
        checkpoint.Invoking(it => it.SaveEach(target.File("saved"), info => other.Load(info))).Should().Throw<ArgumentException>().WithMessage("*model.layers.0. is not of*w1.weight of shape [48, 32]; expected [64, 32]*");
        checkpoint.Invoking(it => it.SaveEach(target.File("saved"), info =>
        {
            using var block = it.Load(info);
            return block;
        })).Should().Throw<ObjectDisposedException>();
        checkpoint.Invoking(it => it.SaveEach(target.File("saved"), _ => null!)).Should().Throw<ArgumentException>().WithMessage("*model.layers.0. was asked for, and null was given*");
        target.Names().Should().BeEmpty();
    }

    [Fact]
    public void Surgery_and_saving_leave_no_tensors_behind()
    {
        using var folder = TwoLayerModel.Of("qwen2_moe", BlockLayout.PerExpert);
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        Round(0);
        var before = TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var round = 1; round <= 2; round++)
            Round(round);
        TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(before);

        void Round(int round) => checkpoint.SaveEach(target.File($"{round}"), info => OtherLayers.Pruned(checkpoint, info));
    }

    private static Func<MixtureOfExperts, MixtureOfExperts> Grown(Func<MixtureOfExperts, SurgeryResult> operation) => layer =>
    {
        using var grown = ExpertAddition.AddCopies(layer, [.. Enumerable.Range(0, 8)]).Layer;
        return operation(grown).Layer;
    };

    private static Tensor Input(PublishedBlock block)
    {
        using var generator = new Generator(1);
        var type = block.Layer.state_dict().First(pair => pair.Key.StartsWith("experts.", StringComparison.Ordinal)).Value.dtype;
        return randn(1, 40, 32, generator: generator).to(type);
    }

    private static void RequireSame(IReadOnlyDictionary<string, Tensor> actual, IReadOnlyDictionary<string, Tensor> expected)
    {
        actual.Keys.Should().Equal(expected.Keys);
        foreach (var (name, weight) in actual)
            Compare.SameBits(weight, expected[name], name);
    }

    /// <summary>Everything that is no block, and the settings but for the numbers.</summary>
    private static void RequireSameAround(Checkpoint before, Checkpoint after)
    {
        foreach (var name in new[] { TwoLayerModel.Embeddings, "lm_head.weight" })
            Compare.SameBits(after.Files.ReadTensor(name), before.Files.ReadTensor(name), name);
        var numbers = before.Family.ExpertFields.Concat(before.Family.TopKFields).ToArray();
        Lines(after).Should().Equal(Lines(before));
        File.ReadAllText(Path.Combine(after.Folder, "tokenizer.json")).Should().Be("{}");

        IEnumerable<string> Lines(Checkpoint checkpoint) => File.ReadAllLines(Path.Combine(checkpoint.Folder, Checkpoint.ConfigFile)).Select(line => numbers.Any(field => line.Contains($"\"{field}\"", StringComparison.Ordinal)) ? line[..line.IndexOf(':', StringComparison.Ordinal)] : line);
    }

    private static void RequireTrueIndex(Checkpoint checkpoint)
    {
        var path = Path.Combine(checkpoint.Folder, ShardIndex.FileName);
        var index = ModelConfig.Read(path);
        index.Part("metadata").Count("total_size").Should().Be((int)checkpoint.Tensors.Entries.Values.Sum(entry => entry.ByteCount));
        ShardIndex.Read(path).Keys.Should().BeEquivalentTo(checkpoint.Tensors.Entries.Keys);
    }
}
