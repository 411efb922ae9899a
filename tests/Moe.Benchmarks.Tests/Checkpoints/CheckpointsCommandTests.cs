using System.Text.Json;
using Moe.Benchmarks.Checkpoints;

namespace Moe.Benchmarks.Tests.Checkpoints;

public sealed class CheckpointsCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("moe-checkpoints").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Writes_its_ratios_and_leaves_nothing_else()
    {
        var file = Path.Combine(_folder, "checkpoints.json");

        var (code, errors) = BenchmarkProgram.Run("checkpoints", "--cases", "smoke", "--seconds", "0.01", "--folder", _folder, "--json", file);

        code.Should().Be(0, errors);
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        rows.Should().HaveCountGreaterThanOrEqualTo(2);
        foreach (var row in rows)
        {
            row.GetProperty("case").GetString().Should().StartWith(CheckpointCase.Smoke);
            row.GetProperty("against_value").GetDouble().Should().BePositive();
            row.GetProperty("ratio").GetDouble().Should().BeApproximately(row.GetProperty("value").GetDouble() / row.GetProperty("against_value").GetDouble(), 1e-9);
        }
        rows.Where(row => row.GetProperty("unit").GetString() == "ms").Should().HaveCount(2).And.OnlyContain(row => row.GetProperty("value").GetDouble() > 0);
        Directory.GetFileSystemEntries(_folder).Should().Equal(file);
    }

    [Theory]
    [InlineData("--cases", "nothing-of-that-name")]
    [InlineData("--seconds", "0")]
    [InlineData("--folder", "no/such/folder")]
    public void Refuses_what_it_does_not_know(string option, string value)
    {
        var (code, errors) = BenchmarkProgram.Run("checkpoints", option, value);

        code.Should().Be(2);
        errors.Should().StartWith("Error: ").And.Contain(option);
    }

    [Fact]
    public void Smoke_is_run_only_if_it_is_asked_for()
    {
        CheckpointCase.Matching([]).Should().NotBeEmpty().And.NotContain(own => own.Id.StartsWith(CheckpointCase.Smoke));
        CheckpointCase.Matching(["float32"]).Should().NotBeEmpty().And.NotContain(own => own.Id.StartsWith(CheckpointCase.Smoke));
        CheckpointCase.Matching(["smoke"]).Should().ContainSingle();
    }
}
