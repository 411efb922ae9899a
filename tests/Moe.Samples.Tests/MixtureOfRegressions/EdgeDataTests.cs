using System.Text.Json;

namespace Moe.Samples.Tests.MixtureOfRegressions;

/// <summary>Data at the edge of what can be fitted: a finite answer within seconds, with the gaps that the sample's README names.</summary>
public sealed class EdgeDataTests : IDisposable
{
    private const int Rows = 60;
    private readonly TemporaryFolder _folder = new();
    private string _output = "";

    [Fact]
    public void A_constant_column_has_coefficient_0_and_no_standard_error()
    {
        var (with, without) = (Fit("--terms", "x,constant"), Fit("--terms", "x"));
        with.Number("loglik").Should().BeApproximately(without.Number("loglik"), 1e-9);
        with.Number("df").Should().Be(without.Number("df"));
        with.Rows("expert_coef").Should().AllSatisfy(row => row[2].Should().Be(0));
        with.Rows("gate_coef").Should().AllSatisfy(row => row[2].Should().Be(0));
        ShouldBeMissing(with, 2, 5, 8);
    }

    [Fact]
    public void A_collinear_term_is_left_out_of_experts_and_gate()
    {
        var (with, without) = (Fit("--terms", "x,twice", "--gate-terms", "twice,x"), Fit("--terms", "x"));
        with.Number("loglik").Should().BeApproximately(without.Number("loglik"), 1e-9);
        with.Number("df").Should().Be(without.Number("df"));
        foreach (var (row, alone) in with.Rows("expert_coef").Zip(without.Rows("expert_coef")))
        {
            row[1].Should().BeApproximately(alone[1], 1e-6);
            row[2].Should().Be(0);
        }
        with.Rows("gate_coef").Should().AllSatisfy(row => row[2].Should().Be(0));
        ShouldBeMissing(with, 2, 5, 8);
    }

    [Fact]
    public void Nothing_but_a_constant_column_is_the_intercept_alone()
    {
        var (with, without) = (Fit("--terms", "constant"), Fit("--terms", "-"));
        with.Number("loglik").Should().BeApproximately(without.Number("loglik"), 1e-6);
        without.Rows("expert_coef").Should().OnlyContain(row => row.Length == 1);
        without.Rows("gate_coef").Should().OnlyContain(row => row.Length == 1);
        without.Number("df").Should().Be(5);
        without.GetProperty("standard_errors").GetArrayLength().Should().Be(5);
        ShouldBeMissing(without);
    }

    [Fact]
    public void Without_terms_of_the_gate_its_coefficients_are_the_log_ratio_of_the_shares()
    {
        var fit = Fit("--terms", "x", "--gate-terms", "-");
        fit.Number("df").Should().Be(7);
        fit.Rows("gate_coef").Select(row => row.Length).Should().Equal(1, 1);
        fit.GetProperty("standard_errors").GetArrayLength().Should().Be(7);
        ShouldBeMissing(fit);
    }

    [Fact]
    public void A_gate_that_separates_perfectly_ends_with_a_warning()
    {
        var fit = Fit("--response", "regions", "--terms", "x");
        fit.GetProperty("converged").GetBoolean().Should().BeTrue();

        // The two regressions are found all the same.
        var slopes = fit.Rows("expert_coef");
        slopes[0][1].Should().BeApproximately(2, 0.2);
        slopes[1][1].Should().BeApproximately(-1, 0.2);
        _output.Should().Contain("Warning: the gate separates the experts");
    }

    [Theory]
    [InlineData("constant", 0.0)]
    [InlineData("twice", 2.0)]
    public void Responses_without_noise_end_at_the_least_noise(string response, double slope)
    {
        var fit = Fit("--response", response, "--terms", "x");
        fit.Rows("expert_coef").Should().HaveCount(2).And.OnlyContain(row => Math.Abs(row[1] - slope) < 1e-6);
        fit.Numbers("sigma").Should().HaveCount(2).And.OnlyContain(sigma => sigma > 0);
        ShouldBeMissing(fit, 0, 1, 2, 3, 4, 5, 6, 7);
        _output.Should().Contain("Warning: the noise of 2 experts is at its floor.").And.NotContain("fell");
    }

    [Theory]
    [InlineData("zero", "poisson")]
    [InlineData("zero", "binomial")]
    [InlineData("trials", "binomial")]
    public void Counts_that_are_all_none_or_all_trials_end_finite(string response, string family)
    {
        string[] trials = family == "binomial" ? ["--trials", "trials"] : [];
        var fit = Fit(["--response", response, "--family", family, .. trials, "--terms", "x"]);
        fit.Number("loglik").Should().BeApproximately(0, 1e-6);
        fit.Rows("expert_coef").Should().HaveCount(2);
    }

    [Fact]
    public void Values_of_x_that_are_there_many_times_are_no_trouble()
    {
        var fit = Fit("--terms", "level");
        fit.Number("df").Should().Be(8);
        fit.GetProperty("converged").GetBoolean().Should().BeTrue();
        Fit("--terms", "level", "--experts", "3").Number("loglik").Should().BeGreaterThanOrEqualTo(fit.Number("loglik") - 1e-6);
    }

    [Theory]
    [InlineData(10, "3", "x")]
    [InlineData(10, "3", "-")]
    [InlineData(10, "10", "x")]
    [InlineData(3, "3", "x")]
    [InlineData(2, "2", "x")]
    [InlineData(1, "1", "x")]
    public void Few_rows_end_finite(int rows, string experts, string gateTerms)
    {
        string[] lines = ["x,y", .. Enumerable.Range(0, rows).Select(row => FormattableString.Invariant($"{row},{Math.Sin(7.0 * row):F6}"))];
        var fit = Run("--data", _folder.Write("few.csv", lines), "--terms", "x", "--gate-terms", gateTerms, "--experts", experts);
        fit.Rows("expert_coef").Length.Should().BeInRange(1, int.Parse(experts, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public void The_order_of_columns_and_quotes_change_nothing()
    {
        var plain = Fit("--terms", "x");
        var other = Run("--data", _folder.Write("other.csv", ["\"y\",\"more\",\"x\"", .. Table().Skip(1).Select(line => line.Split(',')).Select(cells => $"\"{cells[1]}\",text,{cells[0]}")]), "--terms", "x");
        foreach (var name in plain.Names().Where(name => name != "seconds"))
            other.GetProperty(name).GetRawText().Should().Be(plain.GetProperty(name).GetRawText());
    }

    public void Dispose() => _folder.Dispose();

    private JsonElement Fit(params string[] arguments) => Run(["--data", _folder.Write("data.csv", Table()), .. arguments]);

    private JsonElement Run(params string[] arguments)
    {
        _output = Sample.MixtureOfRegressions([.. arguments, "--restarts", "8", "--json", _folder.File("fit.json")]).Succeeded();
        return _folder.Json("fit.json");
    }

    /// <summary>The standard errors that are null; all others are positive.</summary>
    private static void ShouldBeMissing(JsonElement fit, params int[] places)
    {
        var errors = fit.GetProperty("standard_errors").EnumerateArray().ToArray();
        Enumerable.Range(0, errors.Length).Where(place => errors[place].ValueKind == JsonValueKind.Null).Should().Equal(places);
        errors.Where(error => error.ValueKind == JsonValueKind.Number).Should().NotContain(error => !(error.GetDouble() > 0));
    }

    /// <summary>Two crossing lines whose experts are drawn for y and given by x for "regions".</summary>
    private static string[] Table()
    {
        var random = new Random(3);
        double Noise() => random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5;
        var lines = new List<string> { "x,y,regions,constant,twice,level,zero,trials" };
        for (var row = 0; row < Rows; row++)
        {
            var x = 10 * random.NextDouble();
            var (up, down) = (1 + (2 * x) + Noise(), 20 - x + Noise());
            lines.Add(FormattableString.Invariant($"{x:R},{(random.Next(2) == 0 ? up : down):R},{(x < 5 ? up : down):R},3,{(2 * x) + 1:R},{row % 3},0,{1 + (row % 7)}"));
        }
        return [.. lines];
    }
}
