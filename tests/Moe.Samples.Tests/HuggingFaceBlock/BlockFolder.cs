using System.Text.Json.Nodes;
using Moe.HuggingFace;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>A checkpoint's folder and an input file, for the sample to be called with. Its tensors belong to the test's dispose scope.</summary>
internal sealed class BlockFolder(JsonObject config, Dictionary<string, Tensor> weights, Dictionary<string, Tensor> numbers) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public JsonObject Config { get; } = config;

    public Dictionary<string, Tensor> Weights { get; } = weights;

    /// <summary>What the input file holds; of a golden case also what should come out.</summary>
    public Dictionary<string, Tensor> Numbers { get; } = numbers;

    public string Root => _folder.Path;

    public string Checkpoint => _folder.File("checkpoint");

    public string ConfigPath => Path.Combine(Checkpoint, "config.json");

    /// <summary>The name that a block alone has.</summary>
    public string WeightsPath => Path.Combine(Checkpoint, "weights.safetensors");

    public string InputPath => _folder.File("io.safetensors");

    public string OutputPath => _folder.File("output.safetensors");

    /// <summary>Weights that gradients reach: all but the biases that only select.</summary>
    public IEnumerable<string> Trainable => Weights.Keys.Where(name => !name.EndsWith("e_score_correction_bias", StringComparison.Ordinal));

    /// <summary>A block of its authors' making with their numbers (see Fixtures/golden/README.md): their very files.</summary>
    public static BlockFolder Golden(string name)
    {
        var source = Path.Combine(AppContext.BaseDirectory, "Fixtures", "golden", name);
        var made = new BlockFolder(
            JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject(), Read(Path.Combine(source, "weights.safetensors")), Read(Path.Combine(source, "io.safetensors")));
        Directory.CreateDirectory(made.Checkpoint);
        File.Copy(Path.Combine(source, "config.json"), made.ConfigPath);
        File.Copy(Path.Combine(source, "weights.safetensors"), made.WeightsPath);
        File.Copy(Path.Combine(source, "io.safetensors"), made.InputPath);
        return made;
    }

    public static Dictionary<string, Tensor> Read(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Entries.Keys.ToDictionary(name => name, file.ReadTensor);
    }

    /// <summary>Writes all of it, once more where a test has changed something.</summary>
    public BlockFolder Write()
    {
        Directory.CreateDirectory(Checkpoint);
        File.WriteAllText(ConfigPath, Config.ToJsonString());
        SafetensorsWriter.Write(WeightsPath, Weights);
        SafetensorsWriter.Write(InputPath, Numbers);
        return this;
    }

    /// <summary>Puts shards with an index in the place of the file.</summary>
    public void WriteShards()
    {
        using (var file = SafetensorsFile.Open(WeightsPath))
        {
            var bytes = file.Entries.Values.Sum(entry => entry.ByteCount);
            SafetensorsWriter.WriteShards(Checkpoint, file.Entries.Values.OrderBy(entry => entry.Name, StringComparer.Ordinal).Select(TensorDescription.Of), file.Read, bytes * 2 / 3, file.Metadata);
        }
        File.Delete(WeightsPath);
        Directory.GetFiles(Checkpoint, "model-*.safetensors").Should().HaveCountGreaterThan(1);
        File.Exists(Path.Combine(Checkpoint, "model.safetensors.index.json")).Should().BeTrue();
    }

    public string PathOf(string name) => _folder.File(name);

    public (int Width, int Height) Png(string name) => _folder.Png(name);

    /// <summary>What the block answers.</summary>
    public Dictionary<string, Tensor> Run(params string[] more)
    {
        Call("run", ["--input", InputPath, "--output", OutputPath, .. more]).Succeeded().Should().Contain($"wrote {OutputPath}");
        return Read(OutputPath);
    }

    /// <summary>A command of the sample about this checkpoint.</summary>
    public SampleResult Call(string command, params string[] more) => Sample.HuggingFaceBlock([command, "--checkpoint", Checkpoint, .. more]);

    public void Dispose() => _folder.Dispose();
}
