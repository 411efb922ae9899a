using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

public sealed class ConvertTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string, string> Cases => new()
    {
        { "mixtral", "fused" }, { "mixtral_fused", "per-expert" }, { "mixtral_bf16", "fused" }, { "qwen2_moe", "fused" }, { "qwen3_moe", "fused" }, { "olmoe", "fused" }, { "deepseek_v3", "fused" },
        { "gpt_oss", "per-expert" }, { "granitemoe", "per-expert" }, { "phimoe", "fused" }, { "switch_transformers", "fused" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void There_and_back_gives_the_same_bytes_and_in_between_the_same_answers(string name, string other)
    {
        using var published = BlockFolder.Golden(name);
        File.WriteAllText(Path.Combine(published.Checkpoint, "tokenizer.json"), "{}");
        var (there, back) = (published.PathOf("there"), published.PathOf("back"));

        published.Call("convert", "--to", other, "--output", there).Succeeded().Should().Contain($"1 block as {other} in {there}");
        Sample.HuggingFaceBlock("convert", "--checkpoint", there, "--to", other == "fused" ? "per-expert" : "fused", "--output", back).Succeeded();

        ShouldBeTheFilesOf(back, published.Checkpoint);
        File.ReadAllBytes(Path.Combine(there, "weights.safetensors")).AsSpan().SequenceEqual(File.ReadAllBytes(published.WeightsPath)).Should().BeFalse("that is the other layout");
        var expected = published.Run();
        Sample.HuggingFaceBlock("run", "--checkpoint", there, "--input", published.InputPath, "--output", published.OutputPath).Succeeded();
        var ours = BlockFolder.Read(published.OutputPath);
        string[] common = [.. Answer.Forward, "grad_input"];
        ours.Where(pair => common.Contains(pair.Key)).ToDictionary().ShouldBeTheBitsOf(expected.Where(pair => common.Contains(pair.Key)).ToDictionary());
        ours.Keys.Where(key => key.StartsWith("grad.", StringComparison.Ordinal)).Should().BeEquivalentTo(
            BlockFolder.Read(Path.Combine(there, "weights.safetensors")).Keys.Where(key => !key.EndsWith("e_score_correction_bias", StringComparison.Ordinal)).Select(key => $"grad.{key}"));
    }

    [Fact]
    public void The_fused_layout_of_Mixtral_is_the_one_that_is_published()
    {
        using var apart = BlockFolder.Golden("mixtral");
        using var together = BlockFolder.Golden("mixtral_fused");
        apart.Call("convert", "--to", "fused", "--output", apart.PathOf("fused")).Succeeded();
        BlockFolder.Read(apart.PathOf("fused/weights.safetensors")).ShouldBeTheBitsOf(together.Weights);
    }

    [Theory]
    [InlineData("mixtral", "fused", "per-expert")]
    [InlineData("gpt_oss", "per-expert", "fused")]
    public void Shards_stay_shards_and_come_back_as_they_were(string name, string other, string own)
    {
        using var published = BlockFolder.Golden(name);
        foreach (var (key, weight) in published.Weights.ToArray())
            published.Weights[key.Replace("layers.0.", "layers.1.", StringComparison.Ordinal)] = weight + 1;
        published.Weights["model.embed_tokens.weight"] = ones(100, 32);
        published.Write().WriteShards();

        published.Call("convert", "--to", other, "--output", published.PathOf("there")).Succeeded().Should().Contain("2 blocks");
        Sample.HuggingFaceBlock("convert", "--checkpoint", published.PathOf("there"), "--to", own, "--output", published.PathOf("back")).Succeeded();

        Files(published.PathOf("there")).Should().Equal(Files(published.Checkpoint));
        Sample.HuggingFaceBlock("inspect", "--checkpoint", published.PathOf("there")).Succeeded();
        Sample.HuggingFaceBlock("run", "--checkpoint", published.PathOf("back"), "--layer", "1", "--input", published.InputPath, "--output", published.OutputPath).Succeeded();
        BlockFolder.Read(published.OutputPath).ShouldBeTheBitsOf(published.Run("--layer", "1"));
    }

    [Theory]
    [InlineData("mixtral", "per-expert")]
    [InlineData("gpt_oss", "fused")]
    public void To_the_layout_that_it_has_a_checkpoint_is_copied(string name, string own)
    {
        using var published = BlockFolder.Golden(name);
        Directory.CreateDirectory(published.PathOf("empty"));
        published.Call("convert", "--to", own, "--output", published.PathOf("empty")).Succeeded();
        ShouldBeTheFilesOf(published.PathOf("empty"), published.Checkpoint);
    }

    public void Dispose() => _scope.Dispose();

    private static string[] Files(string folder) => [.. Directory.GetFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static void ShouldBeTheFilesOf(string folder, string expected)
    {
        Files(folder).Should().Equal(Files(expected));
        foreach (var file in Files(expected))
            File.ReadAllBytes(Path.Combine(folder, file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(expected, file))).Should().BeTrue("{0} is the same to the byte", file);
    }
}
