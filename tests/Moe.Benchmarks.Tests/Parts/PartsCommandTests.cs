namespace Moe.Benchmarks.Tests.Parts;

public sealed class PartsCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("moe-parts").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Writes_a_table_with_ratios()
    {
        var (code, errors) = BenchmarkProgram.Run("parts", "--filter", "*DispatchBenchmarks*Tokens: 64)", "--job", "Dry", "--artifacts", _folder);

        code.Should().Be(0, errors);
        var table = File.ReadAllText(Directory.GetFiles(_folder, "*-github.md", SearchOption.AllDirectories).Should().ContainSingle().Which);
        table.Should().Contain("InProcessEmitToolchain").And.MatchRegex(@"\| Method +\| Tokens \| .*\| Ratio \|");
        table.Should().MatchRegex(@"\| Counting +\| 64 +\| .*s \| +[0-9]+\.[0-9]+ \|", "a case that failed has no ratio");
    }
}
