using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>A mixture of regressions whose exact maximum is known.</summary>
internal sealed class Golden
{
    private readonly string _name;
    private readonly JsonElement _reference;

    private Golden(string name)
    {
        _name = name;
        _reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "golden-em", name, "reference.json"))).RootElement;
        var expertTerms = Terms("expert_terms");
        var gateTerms = Terms("gate_terms");
        string[] columns = [.. expertTerms.Union(gateTerms)];
        ExpertColumns = [.. expertTerms.Select(term => Array.IndexOf(columns, term))];
        GateColumns = [.. gateTerms.Select(term => Array.IndexOf(columns, term))];
        var table = Csv.Read("golden-em", name, "data.csv");
        var y = table.Column("y");
        Data = new FitData(table.Matrix(columns), Family == "poisson" ? Response.Count(y) : Response.Real(y));
        Rows = Csv.Read("golden-em", name, "rows.csv");
    }

    public static TheoryData<string> Names => ["faithful_gauss2", "mcycle_gauss2", "npreg_gauss2", "patent_pois3"];

    public FitData Data { get; }

    public Csv Rows { get; }

    public int[] ExpertColumns { get; }

    public int[] GateColumns { get; }

    public int Experts => _reference.GetProperty("K").GetInt32();

    public string Family => _reference.GetProperty("family").GetString()!;

    public double[] Trace => Numbers(_reference.GetProperty("em_from_init").GetProperty("loglik_trace"));

    public static Golden Read(string name) => new(name);

    /// <summary>A number of the exact maximum.</summary>
    public double Exact(string name) => _reference.GetProperty("exact_ml").GetProperty(name).GetDouble();

    public double[] StandardErrors() => Numbers(_reference.GetProperty("exact_ml").GetProperty("se").GetProperty("values"));

    /// <summary>The gate's coefficients of experts 2 to K.</summary>
    public double[] GateCoefficients() => [.. _reference.GetProperty("exact_ml").GetProperty("gate_coef").EnumerateArray().Skip(1).SelectMany(Numbers)];

    /// <summary>The parameters in the order of the standard errors.</summary>
    public double[] Parameters()
    {
        var exact = _reference.GetProperty("exact_ml");
        var experts = exact.GetProperty("expert_coef").EnumerateArray().SelectMany(Numbers);
        var sigma = exact.GetProperty("sigma") is { ValueKind: JsonValueKind.Array } list ? Numbers(list).Select(value => Math.Log(value)) : [];
        return [.. GateCoefficients(), .. experts, .. sigma];
    }

    /// <summary>The starting responsibilities, [n, K].</summary>
    public Tensor Start()
    {
        var table = Csv.Read("golden-em", _name, "init_resp.csv");
        return table.Matrix([.. table.Names]);
    }

    public MixtureLearner Learner(EmOptions options)
    {
        IExpertLearner learner = Family == "poisson" ? new GlmLearner(GlmFamily.Poisson) : new LinearLearner();
        return MixtureLearner.Alike(Experts, learner, options, gateColumns: GateColumns, columns: ExpertColumns);
    }

    private string[] Terms(string name) => [.. _reference.GetProperty(name).EnumerateArray().Select(term => term.GetString()!).Where(term => term != "(Intercept)")];

    private static double[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetDouble())];
}
