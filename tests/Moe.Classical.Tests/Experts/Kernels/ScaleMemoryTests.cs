namespace Moe.Classical.Tests;

public sealed class ScaleMemoryTests
{
    private static readonly double[] Response = [1, 2, 3, 4];
    private static readonly double[] Even = [0.25, 0.25, 0.25, 0.25];
    private static readonly double[] Moved = [0.35, 0.25, 0.25, 0.15];

    [Fact]
    public void What_was_far_behind_is_tried_again_when_enough_weight_has_moved()
    {
        // A tenth of the weight moves: what was behind by less than exp(0.5) may lead.
        var memory = ScaleMemory.After([1.6, 1, 1.7, double.NaN], 1, Response, Even, null);
        Enumerable.Range(0, 4).Select(scale => memory.MayLead(scale, Even)).Should().Equal(false, true, false, true);
        Enumerable.Range(0, 4).Select(scale => memory.MayLead(scale, Moved)).Should().Equal(true, true, false, true);
    }

    [Fact]
    public void A_scale_that_was_left_out_stays_as_far_behind_as_it_was_when_it_was_tried()
    {
        var first = ScaleMemory.After([1.6, 1, 1.7], 1, Response, Even, null);
        var second = ScaleMemory.After([double.NaN, 1, 1.7], 1, Response, Moved, first);
        second.MayLead(0, Moved).Should().BeTrue("it was tried before the weight moved");
        second.MayLead(0, Even).Should().BeFalse();
        ScaleMemory.After([double.NaN, 1.2, 1], 2, Response, Moved, first).MayLead(0, Even).Should().BeTrue("it was behind another than the one that leads now");
    }

    [Fact]
    public void It_is_of_its_own_rows_only()
    {
        var memory = ScaleMemory.After([1, 2], 0, Response, Even, null);
        memory.Knows([1, 2, 3, 4]).Should().BeTrue();
        memory.Knows([1, 2, 3, 5]).Should().BeFalse();
        memory.Knows([1, 2, 3]).Should().BeFalse();
    }
}
