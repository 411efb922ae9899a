using System.Text.Json;
using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class RowResultTests
{
    private static readonly RowResult Result = new(RatioCase.All[0], 5, new(1, 2, 3), new(1, 2, 3), new(1, 2, 3), Textbook: null)
    {
        Backend = "grouped",
        Floor = new Floor(1, 1),
        ExpertsHit = 2,
        Difference = 0,
        ManagedBytes = 100,
    };

    [Fact]
    public void Peaks_that_are_not_measured_are_null_in_the_file_and_a_dash_in_the_table()
    {
        using var document = JsonDocument.Parse(RatioRow.ToJson([Result.ToRow()]));

        var row = document.RootElement[0];
        row.GetProperty("peak_bytes").ValueKind.Should().Be(JsonValueKind.Null);
        row.GetProperty("peak_bytes_dense").ValueKind.Should().Be(JsonValueKind.Null);
        row.GetProperty("backend").GetString().Should().Be("grouped");
        ResultTable.Cells(Result).Should().ContainInConsecutiveOrder("2.0", "-", "-", "100");
    }

    [Fact]
    public void Peaks_that_are_measured_are_bytes_in_the_file_and_megabytes_in_the_table()
    {
        var measured = Result with { Peak = 3_000_000, PeakDense = 0 };
        using var document = JsonDocument.Parse(RatioRow.ToJson([measured.ToRow()]));

        document.RootElement[0].GetProperty("peak_bytes").GetInt64().Should().Be(3_000_000);
        document.RootElement[0].GetProperty("peak_bytes_dense").GetInt64().Should().Be(0);
        ResultTable.Cells(measured).Should().ContainInConsecutiveOrder("2.0", "3.0", "0.0", "100");
    }
}
