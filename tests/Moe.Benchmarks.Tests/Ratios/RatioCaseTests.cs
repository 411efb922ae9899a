using Moe.Benchmarks.Ratios;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class RatioCaseTests
{
    [Fact]
    public void All_rows_but_those_of_the_smoke_test_run_by_default()
    {
        var rows = RatioCase.Matching([]);

        rows.Should().HaveCount(24).And.OnlyHaveUniqueItems(row => row.Id);
        rows.Should().NotContain(row => row.Layer.Name == RatioCase.Smoke);
        rows.Where(row => row.Type == ScalarType.BFloat16).Should().HaveCount(4).And.OnlyContain(row => row.Tokens == 1024);
    }

    [Theory]
    [InlineData("smoke", 4)]
    [InlineData("e8k2-512*/train", 5)]
    [InlineData("/64/", 5)]
    [InlineData("*", 24)]
    [InlineData("BFLOAT16", 4)]
    public void A_pattern_is_a_part_of_an_id(string pattern, int expected) =>
        RatioCase.Matching([pattern]).Should().HaveCount(expected);

    [Fact]
    public void The_floor_is_the_larger_of_computing_and_reading()
    {
        var row = RatioCase.Matching(["e8k2-512x1024/64/float32/forward"]).Single();
        var bytes = 3 * 512 * 1024 * 4.0;

        // One byte a millisecond and an expert: reading takes as many milliseconds as an expert has bytes.
        Floor.Of(row, new Ceilings(ProductMs: 5, BytesPerMs: 1), expertsHit: 2).Should().Be(new Floor(5, 2 * bytes));
        Floor.Of(row with { Pass = Pass.Train }, new Ceilings(ProductMs: 5, BytesPerMs: 1), expertsHit: 2).Should().Be(new Floor(15, 4 * bytes));
        new Floor(ComputeMs: 3, BytesMs: 2).Should().Match<Floor>(floor => floor.Ms == 3 && floor.Bound == "FLOPs");
    }
}
