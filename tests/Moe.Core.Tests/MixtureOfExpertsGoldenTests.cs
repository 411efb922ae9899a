using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Published blocks, run by their authors' own code (see Fixtures/README.md): values, gradients and choices.</summary>
public sealed class MixtureOfExpertsGoldenTests
{
    [Theory]
    [InlineData("mixtral", "model.layers.0.block_sparse_moe", "w1", "w3", "w2")]
    [InlineData("qwen3_moe", "model.layers.0.mlp", "gate_proj", "up_proj", "down_proj")]
    [InlineData("olmoe", "model.layers.0.mlp", "gate_proj", "up_proj", "down_proj")]
    public void A_published_block_gives_the_numbers_of_its_authors(string name, string prefix, string gate, string up, string down)
    {
        using var scope = NewDisposeScope();
        var folder = Path.Combine(AppContext.BaseDirectory, "Fixtures", name);
        var weights = Safetensors.Read(Path.Combine(folder, "weights.safetensors"));
        var io = Safetensors.Read(Path.Combine(folder, "io.safetensors"));
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        using var layer = Build(config.RootElement);
        (string Ours, string Theirs)[] names = [("gate_weight", gate), ("up_weight", up), ("down_weight", down)];
        var parameters = layer.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        using (no_grad())
        {
            layer.Gate.Weight.copy_(weights[$"{prefix}.gate.weight"]);
            foreach (var (ours, theirs) in names)
                parameters[$"experts.0.{ours}"].copy_(Stacked(weights, "", theirs));
        }

        var input = io["input"].requires_grad_();
        using var result = layer.ForwardWithRouting(input);
        (result.Output * io["grad_output"]).sum().backward();

        Near(result.Output, io["output"], "output");
        Near(result.Routing.Logits, io["router_logits"], "router_logits");
        Near(input.grad!, io["grad_input"], "grad_input");
        Near(layer.Gate.Weight.grad!, io[$"grad.{prefix}.gate.weight"], "gate");
        foreach (var (ours, theirs) in names)
            Near(parameters[$"experts.0.{ours}"].grad!, Stacked(io, "grad.", theirs), ours);
        Near(ByExpert(result.Routing.Indices, result.Routing.Weights), ByExpert(io["selected_experts"], io["routing_weights"]), "routing_weights");

        Tensor Stacked(Dictionary<string, Tensor> source, string before, string theirs) =>
            stack(Enumerable.Range(0, 8).Select(e => source[$"{before}{prefix}.experts.{e}.{theirs}.weight"]));
    }

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
