namespace Moe.Core.Tests;

/// <summary>The auction behind balanced assignment.</summary>
public sealed class AuctionTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1e12)]
    [InlineData(-1e300)]
    public void Equal_values_of_any_size_are_shared_out_evenly_and_at_once(double value)
    {
        // The last entry of a row says that the token is real.
        double[] row = [value, value, value, 1];

        var assigned = Auction.Assign([.. Enumerable.Repeat(row, 6).SelectMany(values => values)], tokens: 6, experts: 3);

        assigned.GroupBy(expert => expert).Select(group => group.Count()).Should().Equal(2, 2, 2);
    }
}
