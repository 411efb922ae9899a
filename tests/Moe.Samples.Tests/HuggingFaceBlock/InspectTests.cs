using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

public sealed class InspectTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    /// <summary>Family, and of each block: layer, layout, experts, k, width, hidden and shared width, types, bytes, parameters, active ones.</summary>
    [Theory]
    [InlineData("mixtral", "Mixtral (mixtral), 25 tensors", "0 per-expert 8 2 32 64 0 Float32 197,632 49,408 12,544")]
    [InlineData("mixtral_fused", "Mixtral (mixtral), 3 tensors", "0 fused 8 2 32 64 0 Float32 197,632 49,408 12,544")]
    [InlineData("mixtral_bf16", "Mixtral (mixtral), 25 tensors", "0 per-expert 8 2 32 64 0 BFloat16 98,816 49,408 12,544")]

    // 8 experts of 3 · 32 · 64, router of 8 · 32, shared expert of 3 · 32 · 96, its selector of 32.
    [InlineData("qwen2_moe", "Qwen2-MoE (qwen2_moe), 29 tensors", "0 per-expert 8 2 32 64 96 Float32 234,624 58,656 21,792")]
    [InlineData("deepseek_v3", "DeepSeek-V3 (deepseek_v3), 29 tensors", "0 per-expert 8 2 32 64 64 Float32 222,240 55,560 18,696")]
    [InlineData("gpt_oss", "gpt-oss (gpt_oss), 6 tensors", "0 fused 8 2 32 64 0 Float32 202,784 50,696 12,872")]
    [InlineData("granitemoe", "Granite-MoE (granitemoe), 3 tensors", "0 fused 8 2 32 64 0 Float32 197,632 49,408 12,544")]
    [InlineData("switch_transformers", "Switch Transformers (switch_transformers), 17 tensors", "1 per-expert 8 1 32 64 0 Float32 132,096 33,024 4,352")]
    public void A_block_is_told_in_one_row(string name, string family, string row)
    {
        using var published = BlockFolder.Golden(name);
        var output = published.Call("inspect").Succeeded();
        output.Should().StartWith(family);
        Rows(output).Should().Equal("layer layout experts k width hidden shared types bytes parameters active", row);
    }

    [Fact]
    public void Every_block_has_a_row()
    {
        using var published = BlockFolder.Golden("mixtral");
        var weights = new Dictionary<string, Tensor>();
        for (var layer = 0; layer < 12; layer++)
        {
            foreach (var (name, weight) in published.Weights)
                weights[name.Replace("layers.0.", $"layers.{layer}.", StringComparison.Ordinal)] = weight;
        }
        using var deep = new BlockFolder(published.Config, weights, published.Numbers).Write();
        Rows(deep.Call("inspect").Succeeded()).Skip(1).Should().Equal(Enumerable.Range(0, 12).Select(layer => $"{layer} per-expert 8 2 32 64 0 Float32 197,632 49,408 12,544"));
    }

    [Theory]
    [InlineData(3, "1", "3")]
    [InlineData(1, "encoder.block.1.layer.1", "decoder.block.1.layer.2")]
    public void Blocks_of_encoder_and_decoder_are_told_apart_and_each_is_run_by_the_name_that_is_told(int layer, string encoder, string decoder)
    {
        using var published = BlockFolder.Golden("switch_transformers");
        foreach (var (name, weight) in published.Weights.ToArray())
            published.Weights[name.Replace("encoder.block.1.layer.1.", $"decoder.block.{layer}.layer.2.", StringComparison.Ordinal)] = weight;
        published.Write();
        Rows(published.Call("inspect").Succeeded()).Skip(1).Select(row => row.Split(' ')[0]).Should().Equal(encoder, decoder);
        published.Run("--layer", decoder).Keys.Should().Contain($"grad.decoder.block.{layer}.layer.2.mlp.router.classifier.weight");
        published.Run("--layer", encoder).Keys.Should().Contain("grad.encoder.block.1.layer.1.mlp.router.classifier.weight");
        published.Run("--layer", $"decoder.block.{layer}.layer.2").Keys.Should().Contain($"grad.decoder.block.{layer}.layer.2.mlp.router.classifier.weight");
        if (layer == 1)
            published.Call("run", "--input", published.InputPath, "--output", published.OutputPath, "--layer", "1").Failed().Should().Contain("Layer 1").And.Contain($"the blocks are {encoder}, {decoder}.");
    }

    public void Dispose() => _scope.Dispose();

    /// <summary>The table's rows without its frame.</summary>
    private static string[] Rows(string output) =>
        [.. output.Split('\n').Where(line => line.Contains('│', StringComparison.Ordinal)).Select(line => string.Join(' ', line.Split(['│', ' ', '\r'], StringSplitOptions.RemoveEmptyEntries)))];
}
