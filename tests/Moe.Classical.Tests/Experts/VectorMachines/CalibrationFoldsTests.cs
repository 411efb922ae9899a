namespace Moe.Classical.Tests;

public sealed class CalibrationFoldsTests
{
    private static readonly int[] Labels = [.. Enumerable.Range(0, 103).Select(row => row % 7 == 0 ? 0 : 1 + (row % 2))];

    [Fact]
    public void Each_class_is_spread_evenly_and_so_are_all_rows()
    {
        var fold = CalibrationFolds.Deal(Labels, 3, 5, 11);
        for (var label = 0; label < 3; label++)
        {
            var sizes = Enumerable.Range(0, 5).Select(which => Enumerable.Range(0, 103).Count(row => Labels[row] == label && fold[row] == which)).ToArray();
            (sizes.Max() - sizes.Min()).Should().BeLessThanOrEqualTo(1);
        }
        fold.CountBy(which => which).Select(pair => pair.Value).Should().OnlyContain(size => size == 20 || size == 21);
    }

    [Fact]
    public void The_seed_alone_decides_who_is_dealt_where()
    {
        CalibrationFolds.Deal(Labels, 3, 5, 11).Should().Equal(CalibrationFolds.Deal(Labels, 3, 5, 11));
        CalibrationFolds.Deal(Labels, 3, 5, 11).Should().NotEqual(CalibrationFolds.Deal(Labels, 3, 5, 12));
    }
}
