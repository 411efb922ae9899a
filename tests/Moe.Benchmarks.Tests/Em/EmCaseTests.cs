using Moe.Benchmarks.Em;
using Moe.Benchmarks.Measured;

namespace Moe.Benchmarks.Tests.Em;

public sealed class EmCaseTests
{
    [Fact]
    public void Ids_are_distinct() => EmCase.All.Select(own => own.Id).Should().OnlyHaveUniqueItems();

    [Fact]
    public void Smoke_is_run_only_if_it_is_asked_for()
    {
        EmCase.Matching([]).Should().NotBeEmpty().And.NotContain(own => own.Id.StartsWith("smoke"));
        EmCase.Matching(["iteration"]).Should().NotBeEmpty().And.NotContain(own => own.Id.StartsWith("smoke"));
        EmCase.Matching(["smoke"]).Should().NotBeEmpty().And.OnlyContain(own => own.Id.StartsWith("smoke"));
    }

    [Theory]
    [InlineData(0.5, "0.5000 [0.5000, 0.5000]", "1.00 met", "0.2500")]
    [InlineData(2.0, "2.00 [2.00, 2.00]", "1.00 missed", "1.00")]
    public void The_table_says_whether_a_target_was_met(double value, string shown, string verdict, string ratio)
    {
        var row = new MeasuredRow { Case = "a", What = "b", Value = value, Low = value, High = value, Unit = "ms", Against = "c", AgainstValue = 2, Target = 1 };

        MeasuredTable.Cells(row).Should().Equal("a", "b", shown, "ms", "c", "2.00", ratio, verdict);
        MeasuredTable.Cells(row with { Against = null, AgainstValue = null, Target = null }).TakeLast(4).Should().Equal("-", "-", "-", "-");
    }
}
