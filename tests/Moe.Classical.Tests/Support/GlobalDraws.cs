namespace Moe.Classical.Tests;

/// <summary>Tests that look at torch's global generator, which no other test may draw from meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class GlobalDraws
{
    public const string Name = "global draws";
}
