using Moe.Core;

namespace Moe.HuggingFace.Tests;

/// <summary>Blocks of a checkpoint with other experts than it has.</summary>
internal static class OtherLayers
{
    /// <summary>Copies to the bit.</summary>
    public static ExpertAdditionOptions Exact { get; } = new() { ExpertNoise = 0, GateNoise = 0 };

    /// <summary>Six of eight experts.</summary>
    public static PublishedBlock Pruned(Checkpoint checkpoint, BlockInfo info)
    {
        using var block = checkpoint.Load(info);
        return block.With(ExpertRemoval.Remove(block.Layer, [6, 7]).Layer);
    }

    /// <summary>Each of eight experts twice.</summary>
    public static PublishedBlock Doubled(Checkpoint checkpoint, BlockInfo info)
    {
        using var block = checkpoint.Load(info);
        return block.With(ExpertAddition.AddCopies(block.Layer, [.. Enumerable.Range(0, 8)], Exact).Layer);
    }
}
