using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class QuartilesTests
{
    [Theory]
    [InlineData(new[] { 7.0 }, 7, 7, 7)]
    [InlineData(new[] { 5.0, 1, 4, 2, 3 }, 2, 3, 4)]
    [InlineData(new[] { 4.0, 1, 3, 2 }, 1.75, 2.5, 3.25)]
    public void Are_those_of_the_sorted_samples(double[] samples, double low, double median, double high) =>
        Quartiles.Of(samples).Should().Be(new Quartiles(low, median, high));
}
