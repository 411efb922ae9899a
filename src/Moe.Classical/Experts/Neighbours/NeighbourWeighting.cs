namespace Moe.Classical;

/// <summary>How much each of the nearest neighbours counts, besides its row's weight.</summary>
public enum NeighbourWeighting
{
    /// <summary>All the same.</summary>
    Uniform,

    /// <summary>One over the distance; neighbours at distance 0, if there are any, count alone.</summary>
    Distance,
}
