using System.Text.Json;
using Moe.Benchmarks.Em;

namespace Moe.Benchmarks.Tests.Em;

public sealed class EmCommandTests : IDisposable
{
    private static readonly string[] Keys = ["case", "what", "value", "low", "high", "unit", "against", "against_value", "ratio", "target"];

    private readonly string _folder = Directory.CreateTempSubdirectory("moe-em").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Writes_the_keys_of_the_contract()
    {
        var file = Path.Combine(_folder, "em.json");

        var (code, errors) = BenchmarkProgram.Run("em", "--cases", "smoke", "--seconds", "0.01", "--json", file);

        code.Should().Be(0, errors);
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        rows.Select(row => row.GetProperty("case").GetString()).Distinct().Should().Equal(EmCase.Matching([EmCase.Smoke]).Select(own => own.Id));
        foreach (var row in rows)
        {
            row.EnumerateObject().Select(property => property.Name).Should().Equal(Keys);
            var value = row.GetProperty("value").GetDouble();
            value.Should().BeInRange(row.GetProperty("low").GetDouble(), row.GetProperty("high").GetDouble());
            if (row.GetProperty("unit").GetString() == "ms")
                value.Should().BePositive();
            if (row.GetProperty("ratio").ValueKind == JsonValueKind.Number)
                row.GetProperty("ratio").GetDouble().Should().BeApproximately(value / row.GetProperty("against_value").GetDouble(), 1e-9);
        }
        Directory.GetFiles(_folder).Should().Equal(file);
    }

    [Theory]
    [InlineData("--cases", "nothing-of-that-name")]
    [InlineData("--seconds", "0")]
    [InlineData("--unknown", "1")]
    public void Refuses_what_it_does_not_know(string option, string value)
    {
        var (code, errors) = BenchmarkProgram.Run("em", option, value);

        code.Should().Be(2);
        errors.Should().StartWith("Error: ").And.Contain(option);
    }

    [Fact]
    public void Says_that_the_file_cannot_be_written_before_it_measures()
    {
        var (code, errors) = BenchmarkProgram.Run("em", "--cases", "smoke", "--json", Path.Combine(_folder, "missing", "em.json"));

        code.Should().Be(1);
        errors.Should().StartWith("Error: --json ").And.Contain("missing").And.NotContain("smoke/");
    }
}
