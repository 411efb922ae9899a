using System.Text.Json;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Quantised checkpoints written as ones in BFloat16.</summary>
public sealed class DecodedCheckpointTests
{
    public static TheoryData<string, bool, BlockLayout?> Cases
    {
        get
        {
            var cases = new TheoryData<string, bool, BlockLayout?>();
            foreach (string family in Float8Model.Families)
            {
                foreach (var isFused in new[] { false, true })
                {
                    foreach (var layout in new BlockLayout?[] { null, BlockLayout.PerExpert, BlockLayout.Fused })
                        cases.Add(family, isFused, layout);
                }
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float8_becomes_the_BFloat16_that_it_stands_for_everywhere(string family, bool isFused, BlockLayout? layout)
    {
        using var scope = NewDisposeScope();

        // Widths at which no layout but its own has squares for the codes.
        var model = new Float8Model(family, 200, 100, isFused).Made();
        using var folder = model.Write(40_000);
        File.WriteAllText(folder.File("tokenizer.json"), "{ }");
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);

        checkpoint.Decode(target.File("decoded"), layout);

        using var decoded = Checkpoint.Open(target.File("decoded"));
        using var tensors = SafetensorsFolder.Open(target.File("decoded"));
        decoded.Blocks.Should().OnlyContain(block => block.Layout == (layout ?? (isFused ? BlockLayout.Fused : BlockLayout.PerExpert)));
        tensors.Entries.Values.Should().NotContain(entry => entry.Type == ElementType.Float8E4M3 || entry.Name.EndsWith("_scale_inv", StringComparison.Ordinal));
        foreach (var name in model.Stored.Keys.Where(tensors.Entries.ContainsKey))
        {
            if (model.Numbers.TryGetValue(name, out var numbers))
                Compare.SameBits(tensors.ReadTensor(name), tensor(numbers, model.Stored[name].Shape).to(ScalarType.BFloat16), name);
            else
                Compare.Bits(tensors.ReadTensor(name)).Should().Equal(model.Stored[name].Data, "{0} is copied", name);
        }
        tensors.Entries.Keys.Should().Contain(["model.layers.0.mlp.down_proj.weight", "model.layers.2.self_attn.o_proj.weight", "model.norm.weight"]);
        foreach (var place in checkpoint.Blocks)
            ShouldHaveTheNumbersOf(decoded, checkpoint, place.Layer);

        File.ReadAllText(Path.Combine(target.File("decoded"), "config.json")).Should().Be(string.Join('\n', model.Config.Split('\n').Where(line => !line.Contains("quantization_config", StringComparison.Ordinal))));
        File.ReadAllText(Path.Combine(target.File("decoded"), "tokenizer.json")).Should().Be("{ }");
        using var index = JsonDocument.Parse(File.ReadAllText(Path.Combine(target.File("decoded"), "model.safetensors.index.json")));
        index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64().Should().Be(tensors.Entries.Values.Sum(entry => entry.ByteCount));
        target.Names().Should().Equal("decoded");
    }

    [Theory]
    [InlineData(null)]
    [InlineData(BlockLayout.Fused)]
    [InlineData(BlockLayout.PerExpert)]
    public void MXFP4_becomes_the_BFloat16_that_it_stands_for(BlockLayout? layout)
    {
        using var scope = NewDisposeScope();
        using var folder = Mxfp4Folder();
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Block().Layout.Should().Be(BlockLayout.Mxfp4);

        checkpoint.Decode(target.File("decoded"), layout);

        using var decoded = Checkpoint.Open(target.File("decoded"));
        decoded.Block().Layout.Should().Be(layout ?? BlockLayout.Fused);
        decoded.Describe(decoded.Block()).Types.Should().BeEquivalentTo([ElementType.Float32, ElementType.BFloat16]);
        decoded.Config.Has("quantization_config").Should().BeFalse();
        ShouldHaveTheNumbersOf(decoded, checkpoint, 0);
        checkpoint.Invoking(it => it.Convert(BlockLayout.Fused, target.File("converted"))).Should().Throw<NotSupportedException>().WithMessage("*Mxfp4*Checkpoint.Decode*");
        checkpoint.Invoking(it => it.Decode(target.File("converted"), BlockLayout.Mxfp4)).Should().Throw<NotSupportedException>().WithMessage("*Mxfp4*");
        target.Names().Should().Equal("decoded");
    }

    [Theory]
    [InlineData("deepseek_v3")]
    [InlineData("gpt_oss")]
    public void A_decoded_checkpoint_is_trained_and_saved(string family)
    {
        using var scope = NewDisposeScope();
        using var folder = family == "gpt_oss" ? Mxfp4Folder() : new Float8Model(family, 72, 40).Made().Write();
        using var target = new TemporaryFolder();
        using (var quantised = Checkpoint.Open(folder.FullName))
        {
            using var untrained = quantised.LoadBlock();
            quantised.Invoking(it => it.Save(target.File("saved"), [untrained])).Should().Throw<NotSupportedException>().WithMessage("*is quantised in*Checkpoint.Decode*");
            quantised.Decode(target.File("decoded"));
        }
        using var decoded = Checkpoint.Open(target.File("decoded"));
        using var block = decoded.LoadBlock();
        var input = randn(4, decoded.Describe(block.Info).InputWidth, dtype: ScalarType.BFloat16);
        var before = block.Layer.forward(input).detach();
        block.Layer.train();
        var optimizer = optim.SGD(block.Layer.parameters(), 0.1);
        block.Layer.forward(input).square().mean().backward();
        optimizer.step();
        block.Layer.eval();

        decoded.Save(target.File("saved"), [block]);

        using var saved = Checkpoint.Open(target.File("saved"));
        using var again = saved.LoadBlock();
        Compare.SameBits(again.Layer.forward(input), block.Layer.forward(input));
        Compare.Distance(again.Layer.forward(input), before).Should().BePositive();
    }

    [Theory]
    [InlineData("mixtral", BlockLayout.Fused)]
    [InlineData("mixtral", BlockLayout.PerExpert)]
    [InlineData("gpt_oss", BlockLayout.PerExpert)]
    [InlineData("granitemoe", null)]
    public void Where_nothing_is_quantised_it_is_a_conversion(string name, BlockLayout? layout)
    {
        using var folder = new PublishedCase(name).Checkpoint();
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);

        checkpoint.Decode(target.File("decoded"), layout);
        checkpoint.Convert(layout ?? checkpoint.Block().Layout, target.File("converted"));

        foreach (var file in new[] { "config.json", "weights.safetensors" })
            File.ReadAllBytes(Path.Combine(target.File("decoded"), file)).Should().Equal(File.ReadAllBytes(Path.Combine(target.File("converted"), file)));
    }

    [Fact]
    public void What_cannot_be_decoded_is_refused_and_nothing_is_written()
    {
        Refused<InvalidDataException>(model => model.Stored.Remove("model.layers.0.self_attn.o_proj.weight_scale_inv"), "*model.layers.0.self_attn.o_proj.weight_scale_inv is missing.");
        Refused<InvalidDataException>(
            model => model.Stored["model.layers.0.self_attn.o_proj.weight_scale_inv"] = (ElementType.Float32, [1], new byte[4]), "*o_proj.weight_scale_inv is of type Float32 and shape [1], not Float32 or BFloat16 and [2,1].");
        Refused<InvalidDataException>(model => model.Stored["other"] = (ElementType.Float8E5M2, [2, 2], new byte[4]), "*other is of type Float8E5M2 and shape [2,2].");
        Refused<InvalidDataException>(model => model.Stored["other"] = (ElementType.Float8E4M3, [2], new byte[2]), "*other is of type Float8E4M3 and shape [2].");
        Refused<InvalidDataException>(_ => { }, "*weight_block_size is [64, 64]; expected [128, 128]*", "[128, 128]", "[64, 64]");
        Refused<NotSupportedException>(_ => { }, "*quant_method \"gptq\"; fp8 and mxfp4 can be decoded.", "\"fp8\"", "\"gptq\"");
    }

    [Fact]
    public void A_cancelled_one_leaves_nothing_behind()
    {
        using var folder = new Float8Model("deepseek_v3", 72, 40).Made().Write();
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.Decode(target.File("decoded"), BlockLayout.Fused, new CancellationToken(canceled: true))).Should().Throw<OperationCanceledException>();
        target.Names().Should().BeEmpty();
    }

    private static void Refused<TException>(Action<Float8Model> change, string message, string setting = "", string instead = "")
        where TException : Exception
    {
        var model = new Float8Model("deepseek_v3", 200, 40).Made();
        change(model);
        using var folder = model.Write();
        if (setting.Length > 0)
            File.WriteAllText(folder.File("config.json"), model.Config.Replace(setting, instead, StringComparison.Ordinal));
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Invoking(it => it.Decode(target.File("decoded"))).Should().Throw<TException>().WithMessage(message);
        target.Names().Should().BeEmpty();
    }

    private static void ShouldHaveTheNumbersOf(Checkpoint decoded, Checkpoint quantised, int layer)
    {
        using var block = quantised.LoadBlock(layer, new() { Type = ScalarType.BFloat16 });
        using var same = decoded.LoadBlock(layer, new() { Type = ScalarType.BFloat16 });
        var state = block.Layer.state_dict();
        foreach (var (name, value) in same.Layer.state_dict())
            Compare.SameBits(value, state[name], name);
    }

    /// <summary>gpt-oss with random bytes as its matrices.</summary>
    private static TemporaryFolder Mxfp4Folder()
    {
        using var scope = NewDisposeScope();
        using var source = new PublishedCase("gpt_oss").Checkpoint();
        var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), """{"quantization_config": {"quant_method": "mxfp4"},""" + File.ReadAllText(source.File("config.json")).TrimStart()[1..]);
        using var file = SafetensorsFile.Open(source.File("weights.safetensors"));
        var tensors = new Dictionary<string, Tensor>();
        foreach (var (name, entry) in file.Entries)
        {
            if (!name.EndsWith("_proj", StringComparison.Ordinal))
            {
                tensors[name] = file.ReadTensor(name);
                continue;
            }
            var (experts, inputs, outputs) = (entry.Shape[0], entry.Shape[1], entry.Shape[2]);
            tensors[$"{name}_blocks"] = randint(0, 256, [experts, outputs, inputs / 32, 16], dtype: ScalarType.Byte);
            tensors[$"{name}_scales"] = randint(118, 126, [experts, outputs, inputs / 32], dtype: ScalarType.Byte);
        }
        SafetensorsWriter.Write(folder.File(), tensors);
        return folder;
    }
}
