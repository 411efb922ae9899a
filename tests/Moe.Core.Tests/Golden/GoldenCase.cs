using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A published block with its weights, and what its authors' own code computed from it: one folder of golden numbers (see Fixtures/README.md).</summary>
/// <param name="Config">The block's settings, in the published field names.</param>
/// <param name="Weights">The block's weights, in the published tensor names.</param>
/// <param name="Numbers">What went in and what came out.</param>
internal sealed record GoldenCase(GoldenConfig Config, Dictionary<string, Tensor> Weights, Dictionary<string, Tensor> Numbers)
{
    /// <summary>Reads one of the fixtures by its name, or any case by its path.</summary>
    public static GoldenCase Read(string folder)
    {
        Dictionary<string, Tensor> Tensors(string file) => Safetensors.Read(Path.Combine(Fixtures, folder, file));
        return new(ConfigOf(folder), Tensors("weights.safetensors"), Tensors("io.safetensors"));
    }

    /// <summary>The settings of a case, without reading the rest.</summary>
    public static GoldenConfig ConfigOf(string folder) => Json(folder, "config.json");

    /// <summary>The auxiliary losses of a case, by the publisher's own functions.</summary>
    public static GoldenConfig LossesOf(string folder) => Json(folder, "losses.json");

    /// <summary>The cases of one kind, as a theory takes them.</summary>
    public static TheoryData<string> Of(string kind) => Of([kind], _ => true);

    /// <summary>Some cases of some kinds.</summary>
    public static TheoryData<string> Of(string[] kinds, Func<string, bool> belongs) =>
        [.. Folders().Where(folder => kinds.Contains(ConfigOf(folder).ModelType) && belongs(folder))];

    /// <summary>All cases: the fixtures by name, and those in the folder that the environment variable MOE_GOLDEN names, by path.</summary>
    public static IEnumerable<string> Folders()
    {
        var more = Environment.GetEnvironmentVariable("MOE_GOLDEN");
        return Cases(Fixtures).Select(folder => Path.GetFileName(folder)!).Concat(string.IsNullOrEmpty(more) ? [] : Cases(Path.GetFullPath(more)));
    }

    private static string Fixtures => Path.Combine(AppContext.BaseDirectory, "Fixtures");

    private static IEnumerable<string> Cases(string folder) =>
        Directory.EnumerateDirectories(folder).Where(inner => File.Exists(Path.Combine(inner, "config.json"))).Order(StringComparer.Ordinal);

    private static GoldenConfig Json(string folder, string file) => GoldenConfig.Parse(File.ReadAllText(Path.Combine(Fixtures, folder, file)));
}
