using System.Globalization;
using System.Text.Json;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em;

/// <summary>The small problems whose maximum is known.</summary>
internal static class GoldenProblem
{
    public static IReadOnlyList<string> Names { get; } = ["faithful_gauss2", "mcycle_gauss2", "npreg_gauss2", "patent_pois3"];

    /// <summary>Reads a problem into the dispose scope of the caller.</summary>
    public static EmProblem Read(string name)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "golden-em", name);
        using var reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "reference.json")));
        var root = reference.RootElement;
        var (expertTerms, gateTerms) = (Terms(root, "expert_terms"), Terms(root, "gate_terms"));
        string[] columns = [.. expertTerms.Union(gateTerms)];
        var table = Table(Path.Combine(folder, "data.csv"), out var names);
        var isPoisson = root.GetProperty("family").GetString() == "poisson";
        var y = Matrix(table, names, ["y"]).flatten();
        return new EmProblem(
            new FitData(Matrix(table, names, columns), isPoisson ? Response.Count(y) : Response.Real(y)),
            root.GetProperty("K").GetInt32(),
            isPoisson ? new GlmLearner(GlmFamily.Poisson) : new LinearLearner(),
            [.. expertTerms.Select(term => Array.IndexOf(columns, term))],
            [.. gateTerms.Select(term => Array.IndexOf(columns, term))],
            Start(Path.Combine(folder, "init_resp.csv")));
    }

    private static string[] Terms(JsonElement root, string name) =>
        [.. root.GetProperty(name).EnumerateArray().Select(term => term.GetString()!).Where(term => term != "(Intercept)")];

    private static Tensor Start(string path)
    {
        var table = Table(path, out var names);
        return Matrix(table, names, names);
    }

    private static double[][] Table(string path, out string[] names)
    {
        var lines = File.ReadAllLines(path);
        names = [.. lines[0].Split(',').Select(name => name.Trim('"'))];
        return [.. lines.Skip(1).Select(line => Array.ConvertAll(line.Split(','), cell => double.Parse(cell, CultureInfo.InvariantCulture)))];
    }

    private static Tensor Matrix(double[][] table, string[] names, string[] columns)
    {
        var places = Array.ConvertAll(columns, column => Array.IndexOf(names, column));
        return tensor(table.SelectMany(row => places.Select(place => row[place])).ToArray(), [table.Length, columns.Length]);
    }
}
