namespace Moe.Samples.Tests.MixtureOfRegressions;

/// <summary>Data that cannot be fitted: exit code 1, a message that names the value, no JSON.</summary>
public sealed class BadDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("NaN")]
    [InlineData("inf")]
    [InlineData("-Infinity")]
    [InlineData("NA")]
    [InlineData("")]
    public void A_cell_that_is_no_number_is_named(string cell)
    {
        Refused(["x,y", "1,2", $"2,{cell}", "3,5", "4,7"]).Should().Contain($"Line 3 of data.csv has \"{cell}\" as y, which is not a finite number.");
        Refused(["x,y", "1,2", "2,3", "3,5", $"{cell},7"]).Should().Contain($"Line 5 of data.csv has \"{cell}\" as x, which is not a finite number.");
    }

    [Fact]
    public void Columns_that_are_not_there_are_named_with_those_that_are()
    {
        Refused(["x,y", "1,2", "2,3", "3,5", "4,7"], "--terms", "z").Should().Contain("data.csv has no column \"z\"; it has x, y.");
        Refused(["x,z", "1,2", "2,3", "3,5", "4,7"]).Should().Contain("data.csv has no column \"y\"; it has x, z.");
        Refused(["x,y", "1,2", "2,3", "3,5", "4,7"], "--gate-terms", "x,w").Should().Contain("data.csv has no column \"w\"; it has x, y.");
        Refused(["x,y", "1,2", "2,3", "3,5", "4,7"], "--family", "binomial", "--trials", "size").Should().Contain("data.csv has no column \"size\"; it has x, y.");
    }

    [Fact]
    public void More_experts_than_rows_are_refused() =>
        Refused(["x,y", "1,2", "2,3", "3,5", "4,7"], "--experts", "5").Should().Contain("5").And.Contain("4").And.Contain("experts").And.Contain("rows");

    [Fact]
    public void Trials_smaller_than_successes_are_refused() =>
        Refused(["x,y,size", "1,2,4", "2,3,4", "3,5,4", "4,0,4"], "--family", "binomial", "--trials", "size").Should().Contain("5 successes in 4 trials");

    [Fact]
    public void Trials_of_none_are_refused() =>
        Refused(["x,y,size", "1,2,4", "2,3,4", "3,0,0", "4,0,4"], "--family", "binomial", "--trials", "size").Should().Contain("has 0 trials; there must be at least 1.");

    [Fact]
    public void More_than_one_success_without_trials_is_refused() =>
        Refused(["x,y", "1,1", "2,0", "3,2", "4,0"], "--family", "binomial").Should().Contain("2 successes in 1 trials");

    [Theory]
    [InlineData("-3")]
    [InlineData("2.5")]
    public void What_is_no_count_is_refused(string count)
    {
        Refused(["x,y", "1,2", $"2,{count}", "3,5", "4,7"], "--family", "poisson").Should().Contain($"{count}, which is not a count");
        Refused(["x,y,size", "1,2,9", $"2,{count},9", "3,5,9", "4,7,9"], "--family", "binomial", "--trials", "size").Should().Contain($"{count}, which is not a number of successes");
    }

    [Fact]
    public void Tables_that_are_none_are_refused()
    {
        Refused([]).Should().Contain("data.csv has 0 lines; expected a header and at least one row.");
        Refused(["x,y"]).Should().Contain("data.csv has 1 lines; expected a header and at least one row.");
        Refused(["x,y", "1,2", "2", "3,4"]).Should().Contain("Line 3 of data.csv has 1 cells; the header has 2.");
        Refused(["x,x,y", "1,2,3", "2,2,2"]).Should().Contain("data.csv names a column more than once: x, x, y.");
    }

    [Fact]
    public void What_spreadsheets_write_is_read()
    {
        _folder.Write("data.csv", ["\uFEFF\"the response\",\"a, or \"\"b\"\"\",x ,z", "\"0.1\",\"n, o\",1, 5", "2.2,,2,5e0", "", "2.8,,3,+5", "4.1,\"\",4,5"]);
        Sample.MixtureOfRegressions("--data", _folder.File("data.csv"), "--response", "the response", "--terms", "x", "--experts", "1", "--json", _folder.File("fit.json")).Succeeded();
        _folder.Json("fit.json").Rows("expert_coef").Should().ContainSingle().Which[1].Should().BeApproximately(1.26, 1e-9);
    }

    [Theory]
    [InlineData("a,b;1,0;0,1;1,0", "3 rows of 2 shares; expected 4 rows")]
    [InlineData("a;1;1;1;1", "4 rows of 1 shares; expected 4 rows")]
    [InlineData("a,b;1,0;0,1;0.5,-0.5;1,0", "-0.5; shares must be at least 0.")]
    [InlineData("a,b;1,0;0,1;0,0;1,0", "sum of 0; it must be above 0.")]
    public void Shares_that_do_not_fit_are_refused(string shares, string message) =>
        Refused(["x,y", "1,2", "2,3", "3,5", "4,7"], "--start", _folder.Write("start.csv", shares.Split(';'))).Should().Contain(message);

    [Fact]
    public void What_was_written_before_stays_when_a_fit_fails()
    {
        _folder.Write("fit.json", ["{}"]);
        Sample.MixtureOfRegressions(Arguments(["x,y", "1,2", "2,NaN"])).Failed();
        File.ReadAllLines(_folder.File("fit.json")).Should().Equal("{}");
    }

    public void Dispose() => _folder.Dispose();

    private string Refused(string[] lines, params string[] more)
    {
        var result = Sample.MixtureOfRegressions(Arguments(lines, more));
        var error = result.Failed();
        error.Should().StartWith("Error: ").And.NotContain("   at ");
        result.Output.Should().BeEmpty();
        _folder.Has("fit.json").Should().BeFalse();
        return error;
    }

    private string[] Arguments(string[] lines, params string[] more)
    {
        string[] terms = more.Contains("--terms") ? [] : ["--terms", "x"];
        return ["--data", _folder.Write("data.csv", lines), .. terms, "--restarts", "3", "--json", _folder.File("fit.json"), .. more];
    }
}
