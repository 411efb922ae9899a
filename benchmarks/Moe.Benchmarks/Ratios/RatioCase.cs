using System.IO.Enumeration;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>A row of the benchmark: a layer, how many tokens it gets, in which type, and what is timed.</summary>
internal sealed record RatioCase(LayerShape Layer, int Tokens, ScalarType Type, Pass Pass)
{
    /// <summary>A tiny layer that shows in seconds whether everything works. It is run only if it is asked for.</summary>
    public const string Smoke = "smoke";

    public static IReadOnlyList<RatioCase> All { get; } = [.. MakeAll()];

    public string TypeName => Type == ScalarType.BFloat16 ? "bfloat16" : "float32";

    public string PassName => Pass == Pass.Train ? "train" : "forward";

    /// <summary>What <c>--cases</c> is compared with.</summary>
    public string Id => $"{Layer.Name}/{Tokens}/{TypeName}/{PassName}";

    public int ElementSize => Type == ScalarType.BFloat16 ? 2 : 4;

    /// <summary>The rows that are meant; those of the smoke test only where the pattern names it.</summary>
    /// <param name="patterns">Parts of ids, in which * stands for anything; all but the smoke test when there is none.</param>
    public static IReadOnlyList<RatioCase> Matching(IReadOnlyList<string> patterns) =>
        [.. All.Where(row => patterns.Count == 0 ? row.Layer.Name != Smoke : patterns.Any(row.IsMeant))];

    private bool IsMeant(string pattern) =>
        FileSystemName.MatchesSimpleExpression($"*{pattern}*", Id)
        && (Layer.Name != Smoke || pattern.Contains(Smoke, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<RatioCase> MakeAll()
    {
        LayerShape few = new("e8k2-512x1024", 8, 2, 512, 1024);
        LayerShape many = new("e64k8-512x256", 64, 8, 512, 256);
        LayerShape wide = new("e8k2-1024x4096", 8, 2, 1024, 4096);
        LayerShape smoke = new(Smoke, 4, 2, 32, 32);
        int[] tokens = [1, 64, 1024, 4096];
        Pass[] both = [Pass.Forward, Pass.Train];

        return Rows([few, many], tokens, ScalarType.Float32, both)
            .Concat(Rows([wide], tokens, ScalarType.Float32, [Pass.Forward]))
            .Concat(Rows([few, many], [1024], ScalarType.BFloat16, both))
            .Concat(Rows([smoke], [1, 8], ScalarType.Float32, both));
    }

    private static IEnumerable<RatioCase> Rows(LayerShape[] layers, int[] tokens, ScalarType type, Pass[] passes) =>
        from layer in layers from pass in passes from count in tokens select new RatioCase(layer, count, type, pass);
}
