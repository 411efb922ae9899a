using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>One folder of golden numbers: a published block with its weights, and what its authors' own code computed from it (see Fixtures/README.md).</summary>
internal sealed class GoldenCase
{
    private GoldenCase(string folder)
    {
        Folder = folder;
        Config = ConfigOf(folder);
        Weights = Tensors("weights.safetensors");
        Numbers = Tensors("io.safetensors");
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>The block's settings, in the published field names.</summary>
    public GoldenConfig Config { get; }

    /// <summary>The block's weights, in the published tensor names.</summary>
    public Dictionary<string, Tensor> Weights { get; }

    /// <summary>What went in and what came out.</summary>
    public Dictionary<string, Tensor> Numbers { get; }

    /// <summary>Auxiliary losses by the publisher's own functions.</summary>
    public GoldenConfig Losses => LossesOf(Folder);

    /// <summary>What made the numbers.</summary>
    public GoldenConfig Meta => new(Json(Path.Combine(Folder, "meta.json")));

    /// <summary>Reads one of the fixtures by its name, or any case by its path.</summary>
    public static GoldenCase Read(string folder) => new(Path.Combine(Fixtures, folder));

    /// <summary>The cases of one kind, as a theory takes them.</summary>
    public static TheoryData<string> Of(string kind) => Of([kind], _ => true);

    /// <summary>Some cases of some kinds.</summary>
    public static TheoryData<string> Of(string[] kinds, Func<string, bool> belongs) =>
        [.. Folders().Where(folder => kinds.Contains(ConfigOf(folder).ModelType) && belongs(folder))];

    /// <summary>The settings of a case, without reading the rest.</summary>
    public static GoldenConfig ConfigOf(string folder) => new(Json(Path.Combine(Fixtures, folder, "config.json")));

    /// <summary>The losses of a case, without reading the rest.</summary>
    public static GoldenConfig LossesOf(string folder) => new(Json(Path.Combine(Fixtures, folder, "losses.json")));

    /// <summary>All cases: the fixtures by name, and those in the folder that the environment variable MOE_GOLDEN names, by path.</summary>
    public static IEnumerable<string> Folders()
    {
        var more = Environment.GetEnvironmentVariable("MOE_GOLDEN");
        return Cases(Fixtures).Select(folder => Path.GetFileName(folder)!).Concat(string.IsNullOrEmpty(more) ? [] : Cases(Path.GetFullPath(more)));
    }

    private static string Fixtures => Path.Combine(AppContext.BaseDirectory, "Fixtures");

    private static IEnumerable<string> Cases(string folder) =>
        Directory.EnumerateDirectories(folder).Where(inner => File.Exists(Path.Combine(inner, "config.json"))).Order(StringComparer.Ordinal);

    private static JsonElement Json(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(path));
        return document.RootElement.Clone();
    }

    private Dictionary<string, Tensor> Tensors(string file) =>
        File.Exists(Path.Combine(Folder, file)) ? Safetensors.Read(Path.Combine(Folder, file)) : [];
}
