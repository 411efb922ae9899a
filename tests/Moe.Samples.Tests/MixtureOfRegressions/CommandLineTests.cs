namespace Moe.Samples.Tests.MixtureOfRegressions;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Help_names_every_option()
    {
        var help = Sample.MixtureOfRegressions("--help").Succeeded();
        foreach (var option in new[] { "--data", "--response", "--trials", "--terms", "--gate-terms", "--experts", "--family", "--restarts", "--seed", "--start", "--plot", "--json" })
            help.Should().Contain(option);
    }

    [Fact]
    public void Without_arguments_the_shipped_data_are_fitted_and_the_summary_is_printed()
    {
        var output = Sample.MixtureOfRegressions().Succeeded();
        output.Should().Contain("133 rows").And.Contain("log-likelihood -614.5367, 8 parameters").And.Contain("std. error").And.Contain("BIC 1268.1963");
    }

    [Fact]
    public void The_same_seed_gives_the_same_fit()
    {
        string[] few = ["--restarts", "3", "--seed", "5", "--json"];
        Sample.MixtureOfRegressions([.. few, _folder.File("one.json")]).Succeeded();
        Sample.MixtureOfRegressions([.. few, _folder.File("two.json")]).Succeeded();
        var (one, two) = (_folder.Json("one.json"), _folder.Json("two.json"));
        foreach (var name in one.Names().Where(name => name != "seconds"))
            two.GetProperty(name).GetRawText().Should().Be(one.GetProperty(name).GetRawText());
    }

    [Theory]
    [InlineData("times", "times")]
    [InlineData("-", "times")]
    [InlineData("times", "-")]
    [InlineData("-", "-")]
    public void A_picture_is_drawn_into_a_folder_that_need_not_be_there(string terms, string gateTerms)
    {
        var path = Path.Combine("new", "fit.png");
        var output = Sample.MixtureOfRegressions("--terms", terms, "--gate-terms", gateTerms, "--restarts", "3", "--plot", _folder.File(path)).Succeeded();
        output.Should().Contain("fit.png");
        _folder.Png(path).Should().Be((1200, 1000));
    }

    [Theory]
    [InlineData("--experts", "0", "--experts (0) must lie between 1 and 100.")]
    [InlineData("--restarts", "0", "--restarts (0) must lie between 1 and 100,000.")]
    [InlineData("--family", "gamma", "--family (gamma) must be gaussian, poisson or binomial.")]
    [InlineData("--trials", "size", "--trials (size) belongs to --family binomial; the family is gaussian.")]
    [InlineData("--terms", "times,y", "--terms (times,y) must not contain the response, y.")]
    [InlineData("--terms", "times,times", "--terms (times,times) must not name a column twice.")]
    [InlineData("--data", "nowhere.csv", "--data (nowhere.csv) must be a file.")]
    [InlineData("--start", "nowhere.csv", "--start (nowhere.csv) must be a file.")]
    [InlineData("--experts", "two", "two")]
    [InlineData("--nonsense", "1", "--nonsense")]
    public void Options_that_cannot_be_are_refused_by_name_and_value(string option, string value, string message)
    {
        var error = Sample.MixtureOfRegressions(option, value, "--json", _folder.File("fit.json")).Failed(code: 2);
        error.Should().Contain(message);
        _folder.Has("fit.json").Should().BeFalse();
    }

    public void Dispose() => _folder.Dispose();
}
