using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Published blocks, run by their authors' own code (see Fixtures/README.md): values, gradients and choices.</summary>
public sealed class MixtureOfExpertsGoldenTests
{
    [Theory]
    [InlineData("mixtral", "w1", "w3", "w2")]
    [InlineData("qwen3_moe", "gate_proj", "up_proj", "down_proj")]
    [InlineData("olmoe", "gate_proj", "up_proj", "down_proj")]
    public void A_published_block_gives_the_numbers_of_its_authors(string name, string gate, string up, string down)
    {
        using var scope = NewDisposeScope();
        var block = Load(name, gate, up, down);
        using var layer = block.Layer;
        var io = block.Numbers;
        var input = io["input"].requires_grad_();

        using var result = layer.ForwardWithRouting(input);
        (result.Output * io["grad_output"]).sum().backward();

        Near(result.Output, io["output"], "output");
        Near(result.Routing.Logits, io["router_logits"], "router_logits");
        Near(input.grad!, io["grad_input"], "grad_input");
        Near(layer.Network.Weight.grad!, io[$"grad.{block.Prefix}.gate.weight"], "gate");
        foreach (var (ours, theirs) in block.Names)
            Near(layer.get_parameter($"experts.0.{ours}")!.grad!, block.Stacked(io, "grad.", theirs), ours);
        Near(ByExpert(result.Routing.Indices, result.Routing.Weights), ByExpert(io["selected_experts"], io["routing_weights"]), "routing_weights");
    }

    [Theory]
    [InlineData("mixtral", "w1", "w3", "w2")]
    [InlineData("qwen3_moe", "gate_proj", "up_proj", "down_proj")]
    [InlineData("olmoe", "gate_proj", "up_proj", "down_proj")]
    public void K_times_the_balance_loss_is_the_loss_of_the_publisher(string name, string gate, string up, string down)
    {
        using var scope = NewDisposeScope();
        var block = Load(name, gate, up, down);
        using var layer = block.Layer;
        using var losses = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(name), "losses.json")));
        var mask = block.Numbers["attention_mask"].to(ScalarType.Bool);

        foreach (var (key, real) in new[] { ("load_balancing_loss", null), ("load_balancing_loss_masked", mask) })
        {
            using var decision = layer.Gate.Route(block.Numbers["input"], real);
            using var loss = LoadBalance.Loss(decision) * decision.TopK;
            loss.item<float>().Should().BeApproximately(losses.RootElement.GetProperty(key).GetSingle(), 1e-5f, key);
        }
    }

    [Fact]
    public void In_BFloat16_a_published_block_is_as_close_to_Float32_as_its_authors_are()
    {
        using var scope = NewDisposeScope();
        var block = Load("mixtral_bf16", "w1", "w3", "w2");
        using var layer = block.Layer;
        var io = block.Numbers;
        layer.to(ScalarType.BFloat16);
        var input = io["input"].requires_grad_();

        using var output = layer.forward(input);
        (output * io["grad_output"]).sum().backward();

        output.dtype.Should().Be(ScalarType.BFloat16);
        Compare.Distance(output, io["output_f32"]).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(io["output"], io["output_f32"]));
        Compare.Distance(input.grad!, io["grad_input_f32"]).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(io["grad_input"], io["grad_input_f32"]));
    }

    private sealed record Block(MixtureOfExperts Layer, string Prefix, (string Ours, string Theirs)[] Names, Dictionary<string, Tensor> Numbers)
    {
        public Tensor Stacked(Dictionary<string, Tensor> source, string before, string theirs) =>
            stack(Enumerable.Range(0, Layer.Experts.Count).Select(e => source[$"{before}{Prefix}.experts.{e}.{theirs}.weight"]));
    }

    /// <summary>A published block as a layer, in Float32.</summary>
    private static Block Load(string name, string gate, string up, string down)
    {
        var weights = Safetensors.Read(Path.Combine(Folder(name), "weights.safetensors"));
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(name), "config.json")));
        var block = new Block(
            Build(config.RootElement),
            weights.Keys.Single(key => key.EndsWith(".gate.weight", StringComparison.Ordinal))[..^".gate.weight".Length],
            [("gate_weight", gate), ("up_weight", up), ("down_weight", down)],
            Safetensors.Read(Path.Combine(Folder(name), "io.safetensors")));
        using var noGrad = no_grad();
        block.Layer.Network.Weight.copy_(weights[$"{block.Prefix}.gate.weight"]);
        foreach (var (ours, theirs) in block.Names)
            block.Layer.get_parameter($"experts.0.{ours}")!.copy_(block.Stacked(weights, "", theirs));
        return block;
    }

    private static string Folder(string name) => Path.Combine(AppContext.BaseDirectory, "Fixtures", name);

    private static MixtureOfExperts Build(JsonElement config)
    {
        int Number(params string[] names) =>
            names.Where(name => config.TryGetProperty(name, out _)).Select(name => config.GetProperty(name).GetInt32()).First();
        var isMixtral = config.GetProperty("model_type").GetString() == "mixtral";
        var options = new GatingOptions
        {
            InputWidth = Number("hidden_size"),
            ExpertCount = Number("num_local_experts", "num_experts"),
            TopK = Number("num_experts_per_tok"),
            Softmax = isMixtral ? SoftmaxOrder.AfterSelection : SoftmaxOrder.BeforeSelection,
            Renormalize = !isMixtral && config.GetProperty("norm_topk_prob").GetBoolean(),
        };
        var expert = new GatedFeedForwardOptions
        {
            InputWidth = options.InputWidth,
            HiddenWidth = Number("moe_intermediate_size", "intermediate_size"),
        };
        return new MixtureOfExperts(new GatingNetwork(options), StackedExperts.GatedFeedForward(options.ExpertCount, expert));
    }

    /// <summary>Weights by expert, [T, E], 0 where not chosen: choices compared as sets.</summary>
    private static Tensor ByExpert(Tensor indices, Tensor weights) =>
        zeros(indices.size(0), 8, dtype: weights.dtype).scatter(1, indices, weights.detach());

    private static void Near(Tensor actual, Tensor expected, string what) =>
        Compare.Close(actual, expected, 1e-5 * Math.Max(1, expected.abs().max().item<float>()), what);
}
