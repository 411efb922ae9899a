namespace Moe.Samples.Tests.MixtureOfRegressions;

/// <summary>The command line as the sample's contract has it, against maxima computed by other programs.</summary>
public sealed class ExactMaximumTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [MemberData(nameof(Reference.Names), MemberType = typeof(Reference))]
    public void From_given_shares_the_sample_ends_at_the_exact_maximum(string name)
    {
        var reference = Reference.Read(name);
        Sample.MixtureOfRegressions(reference.Arguments(_folder.File("fit.json"), "--start", reference.Start)).Succeeded();
        var fit = _folder.Json("fit.json");
        reference.ShouldBe(fit);
        fit.GetProperty("restarts").GetInt32().Should().Be(1);
    }

    [Theory]
    [MemberData(nameof(Reference.Names), MemberType = typeof(Reference))]
    public void From_starts_of_its_own_the_sample_finds_the_same_maximum(string name)
    {
        var reference = Reference.Read(name);
        Sample.MixtureOfRegressions(reference.Arguments(_folder.File("fit.json"), "--restarts", "50", "--seed", "1")).Succeeded();
        var fit = _folder.Json("fit.json");
        reference.ShouldBe(fit);
        fit.GetProperty("restarts").GetInt32().Should().Be(50);
    }

    public void Dispose() => _folder.Dispose();
}
