namespace Moe.Classical;

/// <summary>What becomes of an expert whose share of the rows falls below the least, or that cannot be fitted to its share.</summary>
public enum OnSmall
{
    /// <summary>The start is given up and drawn again with another seed, up to three times; after that, or where the start was given, as <see cref="Drop"/>.</summary>
    Restart,

    /// <summary>The expert leaves the mixture, and the others share its rows.</summary>
    Drop,

    /// <summary>It stays, and keeps its last fit where it cannot be fitted again.</summary>
    Keep,
}
