using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>Whatever is wrong: exit code 1, one message that names it, and nothing written.</summary>
public sealed class ProblemTests : IDisposable
{
    private const string Expert3 = "model.layers.0.block_sparse_moe.experts.3.w2.weight";
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();
    private readonly BlockFolder _block = BlockFolder.Golden("mixtral");

    [Fact]
    public void A_model_type_that_is_not_known_is_answered_with_the_known_ones() =>
        Changed("model_type", "gpt2").Should().Contain("\"gpt2\" is not known; known are dbrx, deepseek_v2, deepseek_v3,").And.Contain("mixtral").And.Contain("switch_transformers");

    [Theory]
    [InlineData("num_local_experts", null, "num_local_experts is null; expected a whole number")]
    [InlineData("num_local_experts", "\"eight\"", "num_local_experts is \"eight\"; expected a whole number")]
    [InlineData("num_local_experts", "0", "say 0 experts, which cannot be.")]
    [InlineData("num_experts_per_tok", "9", "say 9 of 8 experts a token, which cannot be.")]
    [InlineData("num_experts_per_tok", "0", "say 0 experts a token, which cannot be.")]
    [InlineData("hidden_size", "-32", "say widths of -32, 64 in an expert")]
    [InlineData("hidden_act", "\"mish\"", "hidden_act is \"mish\"; known are silu")]
    [InlineData("num_local_experts", "2147483647", "say 2147483647 experts, but no tensor has as many rows.")]
    [InlineData("num_local_experts", "10000", "experts.8.w1.weight is missing.")]
    [InlineData("num_local_experts", "99999999999", "num_local_experts is 99999999999; expected a whole number")]
    [InlineData("hidden_size", "2147483647", "is of shape [64, 32]; expected [64, 2147483647]")]
    [InlineData("router_jitter_noise", "1.5", "InputJitter (1.5) must lie between 0 and 1.")]
    [InlineData("num_local_experts", "9", "experts.8.w1.weight is missing.")]
    [InlineData("num_local_experts", "7", "experts.7.w1.weight is unexpected.")]
    [InlineData("intermediate_size", "63", "experts.0.w1.weight is of shape [64, 32]; expected [63, 32].")]
    [InlineData("model_type", null, "model_type is null; expected a text")]
    public void Settings_that_cannot_be_are_refused_by_name(string field, string? json, string message) =>
        Changed(field, json is null ? null : JsonNode.Parse(json)).Should().Contain(message);

    [Theory]
    [InlineData(3, 2, "2 experts a token out of 2 of 3 groups of 8 experts")]
    [InlineData(4, 5, "2 experts a token out of 5 of 4 groups of 8 experts")]
    [InlineData(8, 1, "2 experts a token out of 1 of 8 groups of 8 experts")]
    public void Groups_that_cannot_be_are_refused(int groups, int kept, string message)
    {
        using var published = BlockFolder.Golden("deepseek_v3");
        (published.Config["n_group"], published.Config["topk_group"]) = (groups, kept);
        published.Write();
        published.Call("inspect").Failed().Should().Contain(message);
        published.Call("run", "--input", published.InputPath, "--output", published.OutputPath).Failed().Should().Contain(message);
    }

    [Fact]
    public void Options_that_cannot_be_are_found_before_weights_are_read()
    {
        using var published = BlockFolder.Golden("gpt_oss");
        published.Config["swiglu_limit"] = -1;
        published.Write();
        published.Call("inspect").Failed().Should().Contain("Limit (-1) must be positive.");
    }

    [Fact]
    public void A_folder_needs_a_config()
    {
        File.Delete(_block.ConfigPath);
        RefusedByAll().Should().Contain("has no config.json");
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("")]
    public void A_config_is_a_JSON_object(string text)
    {
        File.WriteAllText(_block.ConfigPath, text);
        RefusedByAll().Should().Contain("config.json is ");
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named()
    {
        Directory.Delete(_block.Checkpoint, recursive: true);
        RefusedByAll().Should().Contain($"{_block.Checkpoint} is no folder.");
    }

    [Fact]
    public void A_folder_needs_tensors()
    {
        File.Delete(_block.WeightsPath);
        RefusedByAll().Should().Contain("has no safetensors file.");
    }

    [Fact]
    public void A_tensor_that_is_missing_is_named() => With(weights => weights.Remove(Expert3)).Should().Contain($"{Expert3} is missing.");

    [Fact]
    public void A_router_that_is_missing_is_named() =>
        With(weights => weights.Remove("model.layers.0.block_sparse_moe.gate.weight")).Should().Contain("no block").And.Contain("block_sparse_moe.gate.weight");

    [Theory]
    [InlineData("model.layers.0.block_sparse_moe.experts.8.w1.weight")]
    [InlineData("model.layers.0.block_sparse_moe.experts.0.w1.bias")]
    [InlineData("model.layers.0.block_sparse_moe.shared.weight")]
    [InlineData("model.layers.0.mlp.experts.down_proj")]
    public void A_tensor_inside_the_block_that_should_not_be_there_is_named(string name) => With(weights => weights[name] = ones(64, 32)).Should().Contain($"{name} is unexpected.");

    [Fact]
    public void A_wrong_shape_is_told() =>
        With(weights => weights[Expert3] = ones(64, 32)).Should().Contain($"{Expert3} is of shape [64, 32]; expected [32, 64].");

    [Fact]
    public void A_wrong_type_is_told() =>
        With(weights => weights[Expert3] = ones(32, 64, dtype: ScalarType.Int32)).Should().Contain($"{Expert3} is of type Int32; expected a floating type.");

    [Fact]
    public void All_that_is_wrong_is_told_at_once() =>
        With(weights =>
        {
            weights.Remove(Expert3);
            weights[Expert3.Replace("w2", "w4", StringComparison.Ordinal)] = ones(1);
        }).Should().Contain($"{Expert3} is missing.").And.Contain("experts.3.w4.weight is unexpected.");

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(100)]
    [InlineData(200_000)]
    public void A_truncated_file_is_refused(int length)
    {
        Truncate(_block.WeightsPath, length);
        RefusedByAll().Should().Contain("weights.safetensors");
    }

    [Fact]
    public void A_shard_that_is_missing_is_named()
    {
        _block.WriteShards();
        var shard = Directory.GetFiles(_block.Checkpoint, "model-*.safetensors").Order(StringComparer.Ordinal).Last();
        File.Delete(shard);
        RefusedByAll().Should().Contain(Path.GetFileName(shard));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"weight_map":{"x":"../weights.safetensors"}}""")]
    [InlineData("""{"weight_map":{"x":"weights.safetensors"}}""")]
    public void An_index_that_does_not_fit_is_refused(string text)
    {
        File.WriteAllText(Path.Combine(_block.Checkpoint, "model.safetensors.index.json"), text);
        RefusedByAll().Should().Contain("model.safetensors.index.json");
    }

    [Theory]
    [InlineData("7", "Layer 7")]
    [InlineData("-1", "Layer -1")]
    [InlineData("first", "first")]
    [InlineData("1.5", "Layer 1.5")]
    [InlineData("99999999999", "Layer 99999999999")]
    public void A_layer_without_a_block_is_refused(string layer, string message)
    {
        Refused("run", "--input", _block.InputPath, "--output", _block.OutputPath, "--layer", layer).Should().Contain(message);
        Refused("route", "--input", _block.InputPath, "--plot", _block.PathOf("loads.png"), "--layer", layer).Should().Contain(message);
    }

    [Fact]
    public void An_input_of_another_width_is_refused() => WithInput(numbers => numbers["input"] = ones(2, 16, 31)).Should().Contain("input is of shape [2, 16, 31]; expected [.., T, 32]");

    [Fact]
    public void An_input_of_one_dimension_is_refused() => WithInput(numbers => numbers["input"] = ones(32)).Should().Contain("input is of shape [32]; expected [.., T, 32]");

    [Fact]
    public void An_input_without_tokens_is_refused() => WithInput(numbers => numbers["input"] = ones(2, 0, 32)).Should().Contain("input is of shape [2, 0, 32]");

    [Fact]
    public void An_input_of_whole_numbers_is_refused() => WithInput(numbers => numbers["input"] = ones(2, 16, 32, dtype: ScalarType.Int64)).Should().Contain("input is of type Int64");

    [Fact]
    public void A_file_without_input_is_refused() => WithInput(numbers => numbers.Remove("input")).Should().Contain("has no tensor input");

    [Fact]
    public void A_file_without_tensors_is_refused() => WithInput(numbers => numbers.Clear()).Should().Contain("has no tensor input; it has none.");

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void An_input_that_is_not_finite_is_refused(double number)
    {
        WithInput(numbers => numbers["input"] = full([2, 16, 32], number, ScalarType.Float32)).Should().Contain("must be finite");
        Refused("route", "--input", _block.InputPath, "--plot", _block.PathOf("loads.png")).Should().Contain("must be finite");
    }

    [Fact]
    public void A_gradient_of_another_shape_is_refused() => WithInput(numbers => numbers["grad_output"] = ones(2, 15, 32)).Should().Contain("grad_output is of shape [2, 15, 32]");

    [Fact]
    public void An_input_file_that_is_not_there_is_named()
    {
        File.Delete(_block.InputPath);
        RefusedRun().Should().Contain("io.safetensors");
    }

    [Fact]
    public void A_truncated_input_file_is_refused()
    {
        Truncate(_block.InputPath, 1000);
        RefusedRun().Should().Contain("io.safetensors");
    }

    [Fact]
    public void A_file_in_the_place_of_the_output_folder_is_left_alone()
    {
        File.WriteAllText(_block.PathOf("taken"), "mine");
        Refused("run", "--input", _block.InputPath, "--output", _block.PathOf("taken/out.safetensors")).Should().Contain("taken");
        Refused("convert", "--to", "fused", "--output", _block.PathOf("taken")).Should().Contain("taken is there already");
        Refused("convert", "--to", "fused", "--output", _block.PathOf("taken/deeper")).Should().Contain("taken");
        Refused("route", "--input", _block.InputPath, "--plot", _block.PathOf("taken/loads.png")).Should().Contain("taken");
    }

    [Fact]
    public void A_folder_in_the_place_of_the_output_file_is_left_alone()
    {
        Directory.CreateDirectory(_block.OutputPath);
        RefusedRun().Should().Contain("output.safetensors");
        Refused("route", "--input", _block.InputPath, "--plot", _block.OutputPath).Should().Contain("output.safetensors");
    }

    [Fact]
    public void A_conversion_does_not_go_into_a_folder_that_is_not_empty()
    {
        Directory.CreateDirectory(_block.PathOf("full"));
        File.WriteAllText(_block.PathOf("full/mine.txt"), "mine");
        Refused("convert", "--to", "fused", "--output", _block.PathOf("full")).Should().Contain("full is there already");
        Refused("convert", "--to", "fused", "--output", _block.Checkpoint).Should().Contain("checkpoint is there already");
    }

    [Fact]
    public void What_is_read_is_not_written_over()
    {
        foreach (var path in new[] { _block.InputPath, _block.WeightsPath, _block.ConfigPath, Path.Combine(_block.Checkpoint, ".", "config.json") })
        {
            Refused("run", "--input", _block.InputPath, "--output", path).Should().Contain($"{path} is ").And.Contain("write to another file");
            Refused("route", "--input", _block.InputPath, "--plot", path).Should().Contain($"{path} is ").And.Contain("write to another file");
        }
        _block.WriteShards();
        Refused("run", "--input", _block.InputPath, "--output", Path.Combine(_block.Checkpoint, "model.safetensors.index.json")).Should().Contain("is a file of the checkpoint");

        // Others in the folder are the caller's own.
        for (var again = 0; again < 2; again++)
            _block.Call("run", "--input", _block.InputPath, "--output", Path.Combine(_block.Checkpoint, "answer")).Succeeded();
    }

    [Fact]
    public void What_was_written_before_stays_when_a_run_fails()
    {
        _block.Run();
        WithInput(numbers => numbers["input"] = ones(2, 16, 31));
    }

    [Theory]
    [InlineData("run --input in --output out --dtype int8", "int8")]
    [InlineData("run --input in --output out --type float32", "--type")]
    [InlineData("run --input in", "--output")]
    [InlineData("run --output out", "--input")]
    [InlineData("convert --to both --output out", "both")]
    [InlineData("convert --output out", "--to")]
    [InlineData("convert --to fused", "--output")]
    [InlineData("inspect --layer 0", "--layer")]
    [InlineData("route", "--input")]
    [InlineData("look", "look")]
    public void Options_that_cannot_be_are_refused_by_name(string line, string message)
    {
        var words = line.Split(' ');
        Refused(words[0], words[1..]).Should().Contain(message);
    }

    [Theory]
    [InlineData("--checkpoint")]
    [InlineData("--layer")]
    [InlineData("--input")]
    [InlineData("--output")]
    public void An_option_that_is_empty_is_named(string option)
    {
        string[] all = ["run", "--checkpoint", _block.Checkpoint, "--layer", "0", "--input", _block.InputPath, "--output", _block.OutputPath];
        all[Array.IndexOf(all, option) + 1] = "";
        Sample.HuggingFaceBlock(all).Failed().Should().Be($"Error: {option} is empty.{Environment.NewLine}");
    }

    [Fact]
    public void Without_a_command_nothing_is_done()
    {
        Sample.HuggingFaceBlock().Failed().Should().StartWith("Error: ");
        Sample.HuggingFaceBlock("run", "--input", "in", "--output", "out").Failed().Should().Contain("--checkpoint");
    }

    [Theory]
    [InlineData("", "run", "inspect", "convert", "route")]
    [InlineData("run", "--checkpoint", "--layer", "--input", "--output", "--dtype")]
    [InlineData("inspect", "--checkpoint")]
    [InlineData("convert", "--checkpoint", "--to", "--output", "fused", "per-expert", "--decode")]
    [InlineData("route", "--checkpoint", "--layer", "--input", "--plot")]
    public void Help_names_every_option(string command, params string[] options)
    {
        var help = Sample.HuggingFaceBlock([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]).Succeeded();
        foreach (var option in options)
            help.Should().Contain(option);
    }

    public void Dispose()
    {
        _block.Dispose();
        _scope.Dispose();
    }

    private static void Truncate(string path, long length)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(length);
    }

    private string Changed(string field, JsonNode? value)
    {
        _block.Config[field] = value;
        _block.Write();
        return RefusedByAll();
    }

    private string With(Action<Dictionary<string, Tensor>> change)
    {
        change(_block.Weights);
        _block.Write();
        return RefusedByAll();
    }

    private string WithInput(Action<Dictionary<string, Tensor>> change)
    {
        change(_block.Numbers);
        _block.Write();
        return RefusedRun();
    }

    /// <summary>Every command says the same about a checkpoint that is wrong.</summary>
    private string RefusedByAll()
    {
        var message = Refused("inspect");
        RefusedRun().Should().Be(message);
        Refused("convert", "--to", "fused", "--output", _block.PathOf("converted")).Should().Be(message);
        Refused("route", "--input", _block.InputPath, "--plot", _block.PathOf("loads.png")).Should().Be(message);
        return message;
    }

    private string RefusedRun() => Refused("run", "--input", _block.InputPath, "--output", _block.OutputPath);

    private string Refused(string command, params string[] more)
    {
        var before = Everything();
        var result = _block.Call(command, more);
        var message = result.Failed();
        message.Should().StartWith("Error: ").And.NotContain("   at ").And.NotContain("Exception").And.NotContain("(Parameter");

        // One line; a list of all that is wrong has one more for each.
        message.TrimEnd().Split('\n').Skip(1).Should().NotContain(line => !line.StartsWith("- ", StringComparison.Ordinal));
        result.Output.Should().BeEmpty();
        Everything().Should().Equal(before, "nothing is written and nothing lost");
        return message;
    }

    /// <summary>All files and folders with what is in them.</summary>
    private string[] Everything() =>
        [.. Directory.GetFileSystemEntries(_block.Root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path => File.Exists(path) ? $"{path} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))}" : path)];
}
