using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Checkpoints of 8-bit floats between the layouts.</summary>
public sealed class Float8ConversionTests
{
    private const string Layer1 = "model.layers.1.mlp.experts.";

    public static TheoryData<string, long, long, long, TensorOrder> Cases
    {
        get
        {
            var cases = new TheoryData<string, long, long, long, TensorOrder>();
            foreach (string family in Float8Model.Families)
            {
                cases.Add(family, 256, 128, long.MaxValue, TensorOrder.Reference);
                cases.Add(family, 200, 256, long.MaxValue, TensorOrder.AsGiven);
                cases.Add(family, 72, 128, 60_000, TensorOrder.Reference);
                cases.Add(family, 72, 128, 10_000, TensorOrder.Reference);
                cases.Add(family, 132, 128, 100_000, TensorOrder.AsGiven);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void There_and_back_gives_the_same_bytes_of_all_files(string family, long width, long hidden, long maxShardBytes, TensorOrder order)
    {
        var model = new Float8Model(family, width, hidden).Made();
        using var folder = model.Write(maxShardBytes, order);
        File.WriteAllText(folder.File("tokenizer.json"), "{ }");
        using var target = new TemporaryFolder();

        Convert(folder.FullName, BlockLayout.Fused, target.File("fused"));
        Convert(target.File("fused"), BlockLayout.Fused, target.File("copy"));
        Convert(target.File("copy"), BlockLayout.PerExpert, target.File("back"));

        SameFiles.Require(target.File("copy"), target.File("fused"));
        SameFiles.Require(target.File("back"), folder.FullName);
    }

    [Theory]
    [InlineData("deepseek_v3", false, false)]
    [InlineData("deepseek_v3", false, true)]
    [InlineData("deepseek_v3", true, false)]
    [InlineData("minimax_m2", false, false)]
    [InlineData("minimax_m2", false, true)]
    [InlineData("minimax_m2", true, true)]
    [InlineData("qwen3_moe", false, true)]
    public void An_index_that_is_not_sorted_comes_back_in_its_order(string family, bool isFused, bool isBackwards)
    {
        // In the order of the modules, as DeepSeek-V3 is published: attention, router, experts, norms.
        var model = new Float8Model(family, 72, 128, isFused).Made();
        using var folder = model.Write(30_000);
        var path = folder.File("model.safetensors.index.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        var files = json["weight_map"]!.AsObject().Select(pair => KeyValuePair.Create(pair.Key, pair.Value!.GetValue<string>())).ToArray();
        json["weight_map"] = new JsonObject(files.OrderBy(file => Place(model, file.Key)).Select(file => KeyValuePair.Create(file.Key, (JsonNode?)file.Value)));
        File.WriteAllText(path, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        using var target = new TemporaryFolder();

        Convert(folder.FullName, isFused ? BlockLayout.PerExpert : BlockLayout.Fused, target.File("other"));
        Convert(target.File("other"), isFused ? BlockLayout.Fused : BlockLayout.PerExpert, target.File("back"));

        SameFiles.Require(target.File("back"), folder.FullName);
        var names = JsonNode.Parse(File.ReadAllText(Path.Combine(target.File("other"), "model.safetensors.index.json")))!["weight_map"]!.AsObject().Select(pair => pair.Key).ToList();
        var experts = names.Where(name => name.StartsWith("model.layers.1", StringComparison.Ordinal) && name.Contains(".experts.", StringComparison.Ordinal)).ToList();
        experts.Should().HaveCount(isFused ? 18 : 4).And.Equal(names.GetRange(names.IndexOf(experts[0]), experts.Count), "those of a block stay together");
        names.IndexOf("model.layers.1.self_attn.o_proj.weight").Should().BeLessThan(names.IndexOf(experts[0]));

        (int, int, int, int, string) Place(Float8Model model, string name)
        {
            var parts = name.Split('.');
            var layer = parts[1] == "layers" ? int.Parse(parts[2], CultureInfo.InvariantCulture) : parts[1] == "norm" ? 9 : -1;
            var module = name.Contains("self_attn", StringComparison.Ordinal) ? 0 : name.Contains(".gate.", StringComparison.Ordinal) ? 1 : name.Contains("layernorm", StringComparison.Ordinal) ? 3 : 2;
            var expert = name.Contains(".experts.", StringComparison.Ordinal) && !isFused ? int.Parse(parts[5], CultureInfo.InvariantCulture) : -1;
            var projection = Array.FindIndex(isFused ? ["gate_up", "down"] : model.ProjectionNames, projection => name.Contains(projection, StringComparison.Ordinal));
            return (layer, module, expert, isBackwards ? -projection : projection, name);
        }
    }

    [Theory]
    [MemberData(nameof(Float8Model.Families), MemberType = typeof(Float8Model))]
    public void Fused_ones_come_back_from_being_apart(string family)
    {
        using var folder = new Float8Model(family, 200, 128, IsFused: true).Made().Write(30_000);
        using var target = new TemporaryFolder();

        Convert(folder.FullName, BlockLayout.PerExpert, target.File("apart"));
        Convert(target.File("apart"), BlockLayout.Fused, target.File("back"));

        SameFiles.Require(target.File("back"), folder.FullName);
    }

    [Theory]
    [MemberData(nameof(Float8Model.Families), MemberType = typeof(Float8Model))]
    public void Fused_ones_hold_the_codes_and_scales_of_gate_above_up_and_load_the_same_numbers(string family)
    {
        using var scope = NewDisposeScope();
        var model = new Float8Model(family, 200, 256).Made();
        using var folder = model.Write();
        using var target = new TemporaryFolder();
        Convert(folder.FullName, BlockLayout.Fused, target.File("fused"));
        using var apart = Checkpoint.Open(folder.FullName);
        using var fused = Checkpoint.Open(target.File("fused"));

        fused.Tensors.Entries[$"{Layer1}gate_up_proj"].Should().Match<TensorEntry>(entry => entry.Type == ElementType.Float8E4M3 && entry.Shape.SequenceEqual(new long[] { 3, 512, 200 }));
        fused.Tensors.Entries[$"{Layer1}gate_up_proj_scale_inv"].Should().Match<TensorEntry>(entry => entry.Type == (family == "qwen3_moe" ? ElementType.BFloat16 : ElementType.Float32) && entry.Shape.SequenceEqual(new long[] { 3, 4, 2 }));
        fused.Tensors.Entries[$"{Layer1}down_proj_scale_inv"].Shape.Should().Equal(3, 2, 2);
        foreach (var suffix in new[] { "", "_scale_inv" })
        {
            var parts = Enumerable.Range(0, 3).SelectMany(expert => new[] { 0, 1 }.SelectMany(place => model.Stored[$"model.layers.1.{model.ExpertsName}.{expert}.{model.ProjectionNames[place]}{suffix}"].Data));
            Bytes(fused.Tensors, $"{Layer1}gate_up_proj{suffix}").Should().Equal(parts);
        }
        using var block = apart.LoadBlock(2, new() { Type = ScalarType.Float32 });
        using var same = fused.LoadBlock(2, new() { Type = ScalarType.Float32 });
        var state = block.Layer.state_dict();
        foreach (var (name, value) in same.Layer.state_dict())
            Compare.SameBits(value, state[name], name);
    }

    [Fact]
    public void Tensors_of_other_types_among_them_stay_what_they_are()
    {
        var model = new Float8Model("deepseek_v3", 200, 128).Made();
        foreach (var name in model.Numbers.Keys.Where(name => name.Contains("layers.2.mlp.experts", StringComparison.Ordinal) || name.Contains("down_proj", StringComparison.Ordinal)).ToArray())
            Unquantise(model, name);
        using var folder = model.Write(50_000);
        using var target = new TemporaryFolder();

        Convert(folder.FullName, BlockLayout.Fused, target.File("fused"));
        Convert(target.File("fused"), BlockLayout.PerExpert, target.File("back"));

        SameFiles.Require(target.File("back"), folder.FullName);
        using var fused = SafetensorsFolder.Open(target.File("fused"));
        fused.Entries[$"{Layer1}gate_up_proj"].Type.Should().Be(ElementType.Float8E4M3);
        fused.Entries[$"{Layer1}down_proj"].Type.Should().Be(ElementType.BFloat16);
        fused.Entries["model.layers.2.mlp.experts.gate_up_proj"].Type.Should().Be(ElementType.BFloat16);
        fused.Entries.Keys.Should().NotContain([$"{Layer1}down_proj_scale_inv", "model.layers.2.mlp.experts.gate_up_proj_scale_inv"]);
    }

    [Fact]
    public void One_tensor_of_several_types_is_refused()
    {
        var model = new Float8Model("deepseek_v3", 200, 128).Made();
        Unquantise(model, $"{Layer1}1.up_proj.weight");
        ShouldNotConvert<InvalidDataException>(model, BlockLayout.Fused, $"*{Layer1}0.gate_proj.weight*become one tensor, but are of types Float8E4M3, BFloat16.");
    }

    [Theory]
    [InlineData(false, BlockLayout.Fused)]
    [InlineData(true, BlockLayout.PerExpert)]
    public void A_square_that_would_span_gate_and_up_is_refused(bool isFused, BlockLayout to) => ShouldNotConvert<NotSupportedException>(
        new Float8Model("deepseek_v3", 200, 100, isFused).Made(), to, $"{Layer1}0.up_proj.weight *100 rows of gate*The rows must be a multiple of 128. Checkpoint.Decode *");

    [Fact]
    public void The_shared_expert_which_lies_the_same_in_both_layouts_may_have_any_width()
    {
        var model = new Float8Model("glm4_moe", 200, 100).Made();
        foreach (var name in model.Numbers.Keys.Where(name => name.Contains(".experts.", StringComparison.Ordinal)).ToArray())
            Unquantise(model, name);
        using var folder = model.Write();
        using var target = new TemporaryFolder();

        Convert(folder.FullName, BlockLayout.Fused, target.File("fused"));

        using var fused = SafetensorsFolder.Open(target.File("fused"));
        Bytes(fused, "model.layers.1.mlp.shared_experts.up_proj.weight").Should().Equal(model.Stored["model.layers.1.mlp.shared_experts.up_proj.weight"].Data);
    }

    [Fact]
    public void Matrices_with_the_input_width_first_take_their_scales_with_them()
    {
        using var folder = Llama4(hidden: 128).Write();
        using var target = new TemporaryFolder();

        Convert(folder.FullName, BlockLayout.PerExpert, target.File("apart"));
        Convert(target.File("apart"), BlockLayout.Fused, target.File("back"));

        SameFiles.Require(target.File("back"), folder.FullName);
        using var scope = NewDisposeScope();
        using var fused = Checkpoint.Open(folder.FullName);
        using var apart = Checkpoint.Open(target.File("apart"));
        using var block = fused.LoadBlock();
        using var same = apart.LoadBlock();
        Compare.SameBits(same.Layer.state_dict()["experts.0.gate_up_weight"], block.Layer.state_dict()["experts.0.gate_up_weight"]);
    }

    [Fact]
    public void Gate_and_up_in_turns_are_refused() => ShouldNotConvert<NotSupportedException>(GptOss(), BlockLayout.PerExpert, "*mlp.experts.gate_up_proj *gate and up take turns in it*Checkpoint.Decode*");

    [Theory]
    [InlineData(128)]
    [InlineData(100)]
    public void Experts_one_below_the_other_need_whole_squares_of_their_own(long hidden)
    {
        var model = new Float8Model("dbrx", 200, hidden)
        {
            Settings = $$"""{"model_type":"dbrx","d_model":200,"ffn_config":{"ffn_hidden_size":{{hidden}},"moe_num_experts":3,"moe_top_k":2,"moe_normalize_expert_weights":1.0} }""",
        };
        model.Plain("transformer.blocks.0.ffn.router.layer.weight", ElementType.BFloat16, 3, 200);
        foreach (var name in new[] { "w1", "v1", "w2" })
            model.Float8($"transformer.blocks.0.ffn.experts.mlp.{name}", 3 * hidden, 200);
        if (hidden % 128 != 0)
        {
            ShouldNotConvert<NotSupportedException>(model, BlockLayout.PerExpert, "*ffn.experts.mlp.w1 *experts of 100 rows lie one below the other*");
            return;
        }
        using var folder = model.Write();
        using var target = new TemporaryFolder();
        Convert(folder.FullName, BlockLayout.PerExpert, target.File("apart"));
        Convert(target.File("apart"), BlockLayout.Fused, target.File("back"));
        SameFiles.Require(target.File("back"), folder.FullName);
    }

    private static Float8Model Llama4(long hidden)
    {
        var model = new Float8Model("llama4_text", 200, hidden)
        {
            Settings = $$"""{"model_type":"llama4_text","hidden_act":"silu","hidden_size":200,"intermediate_size":{{hidden}},"num_local_experts":3,"num_experts_per_tok":1}""",
        };
        const string Beginning = "model.layers.0.feed_forward.";
        model.Plain($"{Beginning}router.weight", ElementType.BFloat16, 3, 200);
        model.Float8($"{Beginning}experts.gate_up_proj", 3, 200, 2 * hidden);
        model.Float8($"{Beginning}experts.down_proj", 3, hidden, 200);
        foreach (var (name, rows, columns) in new[] { ("gate", hidden, 200L), ("up", hidden, 200L), ("down", 200L, hidden) })
            model.Float8($"{Beginning}shared_expert.{name}_proj.weight", rows, columns);
        return model;
    }

    private static Float8Model GptOss()
    {
        var model = new Float8Model("gpt_oss", 200, 128) { Settings = """{"model_type":"gpt_oss","hidden_size":200,"intermediate_size":128,"num_local_experts":3,"num_experts_per_tok":2}""" };
        const string Beginning = "model.layers.0.mlp.";
        model.Plain($"{Beginning}router.weight", ElementType.BFloat16, 3, 200);
        model.Plain($"{Beginning}router.bias", ElementType.BFloat16, 3);
        model.Float8($"{Beginning}experts.gate_up_proj", 3, 200, 256);
        model.Plain($"{Beginning}experts.gate_up_proj_bias", ElementType.BFloat16, 3, 256);
        model.Float8($"{Beginning}experts.down_proj", 3, 128, 200);
        model.Plain($"{Beginning}experts.down_proj_bias", ElementType.BFloat16, 3, 200);
        return model;
    }

    private static void Unquantise(Float8Model model, string name)
    {
        model.Plain(name, ElementType.BFloat16, model.Stored[name].Shape);
        model.Stored.Remove($"{name}_scale_inv");
        model.Numbers.Remove(name);
    }

    private static void Convert(string from, BlockLayout layout, string to)
    {
        using var checkpoint = Checkpoint.Open(from);
        checkpoint.Convert(layout, to);
    }

    private static void ShouldNotConvert<TException>(Float8Model model, BlockLayout to, string message)
        where TException : Exception
    {
        using var folder = model.Write();
        using var target = new TemporaryFolder();
        FluentActions.Invoking(() => Convert(folder.FullName, to, target.File("other"))).Should().Throw<TException>().WithMessage(message);
        target.Names().Should().BeEmpty();
    }

    private static byte[] Bytes(ITensorStore store, string name)
    {
        var bytes = new byte[store.Entries[name].ByteCount];
        store.Read(name, 0, bytes);
        return bytes;
    }
}
