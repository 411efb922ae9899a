using System.Runtime.InteropServices;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Matrices and stacks of 8-bit floats with a scale for each square, in checkpoints.</summary>
public sealed class Float8BlocksTests
{
    public static TheoryData<string, long, long, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, long, long, bool>();
            foreach (var (width, hidden) in new[] { (128L, 128L), (256L, 128L), (200L, 130L), (72L, 40L), (129L, 257L) })
            {
                cases.Add("deepseek_v3", width, hidden, false);
                cases.Add("deepseek_v3", width, hidden, true);
                cases.Add("minimax_m2", width, hidden, true);
                cases.Add("qwen3_moe", width, hidden, false);
                cases.Add("qwen3_moe", width, hidden, true);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_block_has_the_numbers_that_plain_decoding_gives(string family, long width, long hidden, bool isFused)
    {
        using var scope = NewDisposeScope();
        var model = new Float8Model(family, width, hidden, isFused).Made();
        using var folder = model.Write();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock(2, new() { Type = ScalarType.Float32 });
        var state = block.Layer.state_dict();
        var experts = $"model.layers.2.{model.ExpertsName}.";

        checkpoint.Block(2).Layout.Should().Be(isFused ? BlockLayout.Fused : BlockLayout.PerExpert);
        for (var expert = 0; expert < model.Experts; expert++)
        {
            var (gateUp, down) = isFused
                ? (tensor(model.Numbers[$"{experts}gate_up_proj"], model.Experts, 2 * hidden, width)[expert], tensor(model.Numbers[$"{experts}down_proj"], model.Experts, width, hidden)[expert])
                : (cat([Own(0, hidden, width), Own(1, hidden, width)]), Own(2, width, hidden));
            Compare.SameBits(state["experts.0.gate_up_weight"][expert], gateUp, $"gate and up of expert {expert}");
            Compare.SameBits(state["experts.0.down_weight"][expert], down, $"down of expert {expert}");

            Tensor Own(int projection, long rows, long columns) => tensor(model.Numbers[$"{experts}{expert}.{model.ProjectionNames[projection]}"], rows, columns);
        }
    }

    [Fact]
    public void Scales_of_a_stack_that_divide_the_experts_too_are_refused()
    {
        var model = new Float8Model("deepseek_v3", 256, 128, IsFused: true).Made();
        model.Stored["model.layers.1.mlp.experts.down_proj_scale_inv"] = (ElementType.Float32, [1, 2, 1], new byte[8]);
        using var folder = model.Write();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.LoadBlock(1)).Should().Throw<InvalidDataException>().WithMessage("*experts.down_proj_scale_inv is of shape [1, 2, 1]; expected [3, 2, 1]*");
    }

    [Fact]
    public void Vectors_of_8_bit_floats_are_refused()
    {
        var model = new Float8Model("deepseek_v3", 32, 16).Made();
        model.Stored["model.layers.1.mlp.gate.e_score_correction_bias"] = (ElementType.Float8E4M3, [3], new byte[3]);
        using var folder = model.Write();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.LoadBlock(1)).Should().Throw<InvalidDataException>().WithMessage("*e_score_correction_bias is of type Float8E4M3; expected a floating type of 16 bits or more*");
    }

    [Theory]
    [InlineData(0, 3 * 200 * 130)]
    [InlineData(1, 1)]
    [InlineData(129, 2)]
    [InlineData((127 * 130) + 128, 140)]
    [InlineData((199 * 130) + 5, 300)]
    [InlineData(25_999, 26_100)]
    public void Any_stretch_of_a_stack_decodes_to_what_the_whole_does(int first, int count)
    {
        var model = new Float8Model("deepseek_v3", 200, 130, IsFused: true).Made();
        using var folder = model.Write();
        using var tensors = SafetensorsFolder.Open(folder.FullName);
        var numbers = new float[count];

        Float8Blocks.Decode(tensors, "model.layers.1.mlp.experts.down_proj", first, numbers);

        numbers.Should().Equal(model.Numbers["model.layers.1.mlp.experts.down_proj"][first..(first + count)]);
    }

    [Theory]
    [InlineData(128)]
    [InlineData(100)]
    public void Experts_one_below_the_other_share_the_squares_that_lie_across_them(long hidden)
    {
        const int Experts = 3, Width = 40;
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), $$"""
            {"model_type":"dbrx","d_model":{{Width}},"ffn_config":{"ffn_hidden_size":{{hidden}},"moe_num_experts":{{Experts}},"moe_top_k":2,"moe_normalize_expert_weights":1.0} }
            """);
        var down = (int)((Experts * hidden) + 127) / 128;
        var codes = new byte[Experts * hidden * Width];
        codes.AsSpan().Fill(0x38);
        var scales = MemoryMarshal.AsBytes(Enumerable.Range(1, down).Select(row => (float)row).ToArray().AsSpan()).ToArray();
        const string Beginning = "transformer.blocks.0.ffn.";
        var tensors = new Dictionary<string, (ElementType Type, long[] Shape, byte[] Data)> { [$"{Beginning}router.layer.weight"] = (ElementType.Float32, [Experts, Width], new byte[4 * Experts * Width]) };
        foreach (var name in new[] { "w1", "v1", "w2" })
        {
            tensors[$"{Beginning}experts.mlp.{name}"] = (ElementType.Float8E4M3, [Experts * hidden, Width], codes);
            tensors[$"{Beginning}experts.mlp.{name}_scale_inv"] = (ElementType.Float32, [down, 1], scales);
        }
        SafetensorsWriter.WritePieces(
            folder.File(), tensors.Select(pair => new TensorDescription(pair.Key, pair.Value.Type, pair.Value.Shape)), (name, first, bytes) => tensors[name].Data.AsSpan((int)first, bytes.Length).CopyTo(bytes));
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock(options: new() { Type = ScalarType.Float32 });

        // Every code is 1, so that a number is the scale of its square.
        var expected = tensor(Enumerable.Range(0, (int)(Experts * hidden)).Select(row => 1f + (row / 128)).ToArray()).view(Experts, hidden, 1).expand(Experts, hidden, Width);
        var state = block.Layer.state_dict();
        Compare.SameBits(state["experts.0.gate_up_weight"], cat([expected, expected], 1));
        Compare.SameBits(state["experts.0.down_weight"], expected.transpose(1, 2));
    }
}
