using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class FoldsTests
{
    [Theory]
    [InlineData(10, 3)]
    [InlineData(7, 7)]
    [InlineData(101, 5)]
    public void Folds_partition_the_rows_into_sizes_that_differ_by_one_at_most(int rows, int count)
    {
        using var scope = NewDisposeScope();
        var folds = Folds.Random(rows, count, 5);
        var tests = Enumerable.Range(0, count).Select(fold => folds.TestRows(fold).data<long>().ToArray()).ToArray();

        tests.SelectMany(test => test).Order().Should().Equal(Enumerable.Range(0, rows).Select(row => (long)row));
        (tests.Max(test => test.Length) - tests.Min(test => test.Length)).Should().BeLessThanOrEqualTo(1);
        for (var fold = 0; fold < count; fold++)
            folds.TrainRows(fold).data<long>().ToArray().Concat(tests[fold]).Order().Should().Equal(Enumerable.Range(0, rows).Select(row => (long)row));
    }

    [Fact]
    public void The_seed_decides()
    {
        Folds.Random(50, 5, 3).FoldOfRow.Should().Equal(Folds.Random(50, 5, 3).FoldOfRow);
        Folds.Random(50, 5, 3).FoldOfRow.Should().NotEqual(Folds.Random(50, 5, 4).FoldOfRow);
    }

    [Fact]
    public void Stratified_folds_keep_the_shares_of_classes()
    {
        using var scope = NewDisposeScope();
        var labels = Enumerable.Range(0, 100).Select(row => row < 70 ? 0.0 : row < 90 ? 1 : 2).ToArray();
        var folds = Folds.Stratified(Response.Class(tensor(labels), 3), 5, 1);

        for (var fold = 0; fold < 5; fold++)
        {
            var own = folds.TestRows(fold).data<long>().ToArray().CountBy(row => labels[row]).ToDictionary();
            own.Should().Equal(new Dictionary<double, int> { [0] = 14, [1] = 4, [2] = 2 });
        }
    }

    [Fact]
    public void Given_folds_are_taken_and_checked()
    {
        using var scope = NewDisposeScope();
        Folds.Given([1, 0, 1]).TestRows(1).data<long>().ToArray().Should().Equal(0, 2);
        FluentActions.Invoking(() => Folds.Given([0, 2])).Should().Throw<ArgumentException>().WithMessage("*fold 1 has none*");
        FluentActions.Invoking(() => Folds.Given([0, -1])).Should().Throw<ArgumentException>().WithMessage("*got -1*");
        FluentActions.Invoking(() => Folds.Given([0, 0])).Should().Throw<ArgumentException>().WithMessage("*at least 2*");
        FluentActions.Invoking(() => Folds.Given([])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Folds.Random(3, 4)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => Folds.Random(3, 1)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => Folds.Random(4, 2).TestRows(2)).Should().Throw<ArgumentOutOfRangeException>();
    }
}
