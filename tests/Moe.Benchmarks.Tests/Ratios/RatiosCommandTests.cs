using System.Text.Json;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class RatiosCommandTests : IDisposable
{
    private static readonly string[] Keys =
    [
        "case", "experts", "top_k", "hidden", "ffn", "tokens", "dtype", "pass", "backend", "ours_ms", "dense_ms", "loop_ms", "textbook_ms", "floor_ms",
        "ratio_to_dense", "ratio_to_loop", "ratio_to_floor", "peak_bytes", "peak_bytes_dense", "managed_bytes_per_call",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("moe-ratios").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Writes_the_keys_of_the_contract()
    {
        var file = Path.Combine(_folder, "ratios.json");

        var (code, errors) = BenchmarkProgram.Run("ratios", "--cases", "smoke", "--seconds", "0.05", "--json", file);

        code.Should().Be(0, errors);
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        rows.Should().HaveCount(4);
        foreach (var row in rows)
        {
            row.EnumerateObject().Select(property => property.Name).Should().Equal(Keys);
            foreach (var time in new[] { "ours_ms", "dense_ms", "loop_ms", "floor_ms" })
                row.GetProperty(time).GetDouble().Should().BePositive();
            row.GetProperty("ratio_to_floor").GetDouble().Should().BeApproximately(
                row.GetProperty("ours_ms").GetDouble() / row.GetProperty("floor_ms").GetDouble(), 1e-9);
            row.GetProperty("textbook_ms").ValueKind.Should().Be(JsonValueKind.Null);
        }
        Directory.GetFiles(_folder).Should().Equal(file);
    }

    [Theory]
    [InlineData("--cases", "nothing-of-that-name")]
    [InlineData("--seconds", "0")]
    [InlineData("--threads", "-1")]
    [InlineData("--device", "gpu")]
    [InlineData("--unknown", "1")]
    public void Refuses_what_it_does_not_know(string option, string value)
    {
        var (code, errors) = BenchmarkProgram.Run("ratios", option, value);

        code.Should().Be(2);
        errors.Should().StartWith("Error: ").And.Contain(option);
    }

    [Fact]
    public void Refuses_a_device_that_is_not_there_before_it_measures()
    {
        var file = Path.Combine(_folder, "ratios.json");

        var (code, errors) = BenchmarkProgram.Run("ratios", "--cases", "smoke", "--device", "cuda:99", "--json", file);

        code.Should().Be(2, errors);
        errors.Should().StartWith("Error: --device (cuda:99): ").And.NotContain("smoke/");
        Directory.GetFiles(_folder).Should().BeEmpty();
    }

    [Fact]
    public void Says_that_the_file_cannot_be_written_before_it_measures()
    {
        var (code, errors) = BenchmarkProgram.Run("ratios", "--cases", "smoke", "--json", Path.Combine(_folder, "missing", "ratios.json"));

        code.Should().Be(1);
        errors.Should().StartWith("Error: --json ").And.Contain("missing").And.NotContain("smoke/");
    }
}
