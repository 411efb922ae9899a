using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A folder of published numbers: of this project's fixtures, and of the folder that the environment variable MOE_GOLDEN names.</summary>
internal sealed class BalanceCase
{
    private readonly string _folder;

    private BalanceCase(string folder)
    {
        _folder = folder;
        Config = Json("config.json");
        Losses = File.Exists(Path.Combine(folder, "losses.json")) ? Json("losses.json") : JsonDocument.Parse("{}").RootElement;
        Numbers = Safetensors.Read(Path.Combine(folder, "io.safetensors"));
    }

    public string Name => Path.GetFileName(_folder);

    public JsonElement Config { get; }

    public JsonElement Losses { get; }

    public Dictionary<string, Tensor> Numbers { get; }

    public string ModelType => Config.GetProperty("model_type").GetString()!;

    /// <summary>Whether the noise of a gate was drawn: only while training, and only where the gate is said to be noisy at all.</summary>
    public bool IsNoisy => Config.GetProperty("training").GetBoolean() && (!Config.TryGetProperty("noisy_gating", out var noisy) || noisy.GetBoolean());

    public int TopK => Config.TryGetProperty("num_experts_per_tok", out var topK) ? topK.GetInt32() : 1;

    /// <summary>Of a block that drops first choices, places in each sequence.</summary>
    public CapacityOptions? Capacity => Config.TryGetProperty("expert_capacity", out var places)
        ? new() { Fixed = places.GetInt64(), Scope = TokenScope.Sequence, Overflow = Overflow.ChoiceThenPosition }
        : null;

    public static IEnumerable<BalanceCase> Where(Func<BalanceCase, bool> condition)
    {
        var roots = new[] { Path.Combine(AppContext.BaseDirectory, "Fixtures"), Environment.GetEnvironmentVariable("MOE_GOLDEN") };
        return roots.OfType<string>().SelectMany(Directory.EnumerateDirectories)
            .Where(folder => File.Exists(Path.Combine(folder, "io.safetensors"))).Select(folder => new BalanceCase(folder)).Where(condition);
    }

    /// <summary>A noisy gate with the published weights, which stand as x · w there, and the noise that was drawn; in evaluation mode where none was.</summary>
    public GatingNetwork NoisyGate(string width, string experts, string topK)
    {
        var gate = new GatingNetwork(new()
        {
            InputWidth = Config.GetProperty(width).GetInt32(),
            ExpertCount = Config.GetProperty(experts).GetInt32(),
            TopK = Config.GetProperty(topK).GetInt32(),
            Noise = new LearnedNoise { Floor = Config.GetProperty("noise_epsilon").GetDouble() },
            Softmax = ModelType == "davidmrau_moe" ? SoftmaxOrder.BeforeSelection : SoftmaxOrder.AfterSelection,
            Renormalize = ModelType == "davidmrau_moe",
            NormEpsilon = 1e-6,
        });
        var weights = Safetensors.Read(Path.Combine(_folder, "weights.safetensors"));
        using var noGrad = no_grad();
        gate.Weight.copy_(weights["w_gate"].t());
        gate.NoiseWeight!.copy_(weights["w_noise"].t());
        gate.Draws.Recorded = (_, _) => Numbers["noise"];
        gate.train(IsNoisy);
        return gate;
    }

    public static void Near(Tensor actual, double expected, string what) =>
        actual.item<float>().Should().BeApproximately((float)expected, (float)(1e-5 * Math.Max(1, Math.Abs(expected))), what);

    public static void Near(Tensor actual, Tensor expected, string what) =>
        Compare.Close(actual, expected, 1e-5 * Math.Max(1, Compare.Distance(expected, zeros_like(expected))), what);

    private JsonElement Json(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, file)));
        return document.RootElement.Clone();
    }
}
