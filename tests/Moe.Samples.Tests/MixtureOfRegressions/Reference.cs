using System.Text.Json;

namespace Moe.Samples.Tests.MixtureOfRegressions;

/// <summary>A mixture of regressions whose exact maximum is known from a program that is not this library.</summary>
internal sealed class Reference
{
    private readonly string _folder;
    private readonly JsonElement _case;

    private Reference(string folder)
    {
        _folder = folder;
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "reference.json")));
        _case = document.RootElement.Clone();
    }

    public static TheoryData<string> Names =>
    [
        "golden-em/faithful_gauss2", "golden-em/mcycle_gauss2", "golden-em/npreg_gauss2", "golden-em/patent_pois3",
        "exact-em/binomial2", "exact-em/gauss3", "exact-em/degenerate3",
    ];

    public int Experts => _case.GetProperty("K").GetInt32();

    public int Terms => _case.GetProperty("expert_terms").GetArrayLength();

    public int GateTerms => _case.GetProperty("gate_terms").GetArrayLength();

    public string Start => Path.Combine(_folder, "init_resp.csv");

    private bool IsGaussian => _case.GetProperty("family").GetString() == "gaussian";

    private JsonElement Exact => _case.GetProperty("exact_ml");

    public static Reference Read(string name) => new(Path.Combine([AppContext.BaseDirectory, "Fixtures", .. name.Split('/')]));

    /// <summary>The command line that fits it.</summary>
    public string[] Arguments(string json, params string[] more)
    {
        var family = _case.GetProperty("family").GetString()!;
        string[] trials = family == "binomial" ? ["--trials", "size"] : [];
        return
        [
            "--data", Path.Combine(_folder, "data.csv"), "--response", "y", .. trials, "--terms", List("expert_terms"), "--gate-terms", List("gate_terms"),
            "--experts", $"{Experts}", "--family", family, "--json", json, .. more,
        ];
    }

    /// <summary>All keys there, all in shape, and the numbers those of the exact maximum.</summary>
    public void ShouldBe(JsonElement fit)
    {
        fit.Names().Should().BeEquivalentTo("loglik", "df", "aic", "bic", "icl", "expert_coef", "sigma", "gate_coef", "standard_errors", "iterations", "converged", "restarts", "seconds");
        fit.Number("loglik").Should().BeApproximately(Exact.Number("loglik"), 1e-5);
        fit.Number("df").Should().Be(Exact.Number("df"));
        fit.Number("aic").Should().BeApproximately(Exact.Number("aic"), 2e-5);
        fit.Number("bic").Should().BeApproximately(Exact.Number("bic"), 2e-5);
        fit.Number("icl").Should().BeApproximately(Exact.Number("icl"), 1e-3);
        fit.Rows("expert_coef").Should().HaveCount(Experts).And.OnlyContain(row => row.Length == Terms);
        fit.Rows("expert_coef").Select(row => row[0]).Should().BeInAscendingOrder();
        ShouldBe(fit.Rows("expert_coef"), Exact.Rows("expert_coef"), 1e-3);
        fit.Rows("gate_coef").Should().HaveCount(Experts).And.OnlyContain(row => row.Length == GateTerms);
        fit.Rows("gate_coef")[0].Should().OnlyContain(coefficient => coefficient == 0);
        ShouldBe(fit.Rows("gate_coef"), Exact.Rows("gate_coef"), 1e-3);
        ShouldBe([fit.Numbers("sigma")], [IsGaussian ? Exact.Numbers("sigma") : []], 1e-3);
        ShouldBe([fit.Numbers("standard_errors")], [Exact.GetProperty("se").Numbers("values")], 1e-2);
        fit.GetProperty("iterations").GetInt32().Should().BePositive();
        fit.GetProperty("converged").GetBoolean().Should().BeTrue();
        fit.Number("seconds").Should().BePositive();
    }

    private string List(string terms) => string.Join(',', _case.Texts(terms).Skip(1));

    private static void ShouldBe(double[][] actual, double[][] expected, double tolerance)
    {
        actual.Select(row => row.Length).Should().Equal(expected.Select(row => row.Length));
        foreach (var (own, wanted) in actual.SelectMany(row => row).Zip(expected.SelectMany(row => row)))
            own.Should().BeApproximately(wanted, tolerance * Math.Abs(wanted));
    }
}
