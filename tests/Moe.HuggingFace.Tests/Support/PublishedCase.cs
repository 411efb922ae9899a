using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>A block of Hugging Face with what its authors' code computed from it (see Fixtures/README.md).</summary>
internal sealed record PublishedCase(string Folder)
{
    private static readonly string Fixtures = Path.Combine(AppContext.BaseDirectory, "Fixtures");

    /// <summary>The cases whose blocks belong to a family that is known.</summary>
    public static TheoryData<string> All(Func<string, bool> belongs) =>
        [.. Directory.EnumerateDirectories(Fixtures).Where(IsBlock).Select(folder => Path.GetFileName(folder)!).Where(belongs).Order(StringComparer.Ordinal)];

    public string WeightsPath => Path.Combine(Fixtures, Folder, "weights.safetensors");

    public string InputPath => Path.Combine(Fixtures, Folder, "io.safetensors");

    /// <summary>The auxiliary losses by the authors' own functions.</summary>
    public ModelConfig Losses() => ModelConfig.Read(Path.Combine(Fixtures, Folder, "losses.json"));

    /// <summary>What went in and what came out.</summary>
    public Dictionary<string, Tensor> Numbers()
    {
        using var file = SafetensorsFile.Open(InputPath);
        return file.Entries.Keys.ToDictionary(name => name, file.ReadTensor);
    }

    /// <summary>A checkpoint's folder with nothing else in it.</summary>
    public TemporaryFolder Checkpoint()
    {
        var folder = new TemporaryFolder();
        foreach (var name in new[] { "config.json", "weights.safetensors" })
            File.Copy(Path.Combine(Fixtures, Folder, name), folder.File(name));
        return folder;
    }

    private static bool IsBlock(string folder)
    {
        var config = Path.Combine(folder, "config.json");
        return File.Exists(config) && ModelConfig.Read(config) is var read && read.Has("model_type") && ModelFamilies.All.Any(family => family.ModelType == read.ModelType)
            && File.Exists(Path.Combine(folder, "weights.safetensors"));
    }
}
