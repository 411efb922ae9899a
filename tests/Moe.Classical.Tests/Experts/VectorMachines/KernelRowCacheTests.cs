namespace Moe.Classical.Tests;

public sealed class KernelRowCacheTests
{
    [Fact]
    public void It_makes_a_row_once_and_forgets_the_one_not_asked_for_longest()
    {
        var made = new List<int>();
        var cache = new KernelRowCache(
            [0, 0, 0, 0],
            (row, target) =>
            {
                made.Add(row);
                Array.Fill(target, row);
            },
            3 * 4 * sizeof(double));

        foreach (var row in new[] { 0, 1, 2, 0, 3, 0, 1 })
            cache[row].ToArray().Should().AllBeEquivalentTo((double)row);

        made.Should().Equal(0, 1, 2, 3, 1);
    }
}
