namespace Moe.HuggingFace;

/// <summary>The sizes of a block.</summary>
public sealed record BlockFacts
{
    /// <summary>E.</summary>
    public required int Experts { get; init; }

    /// <summary>K.</summary>
    public required int TopK { get; init; }

    /// <summary>D.</summary>
    public required long InputWidth { get; init; }

    /// <summary>F of one expert.</summary>
    public required long HiddenWidth { get; init; }

    /// <summary>F of the shared expert; 0 without one.</summary>
    public required long SharedWidth { get; init; }

    /// <summary>The types of its tensors as stored, without repetition.</summary>
    public required IReadOnlyList<ElementType> Types { get; init; }

    /// <summary>The bytes of its tensors as stored.</summary>
    public required long Bytes { get; init; }

    /// <summary>All its parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>The parameters that one token meets: router, K experts, shared expert.</summary>
    public required long ActiveParameters { get; init; }

    internal static BlockFacts Of(BlockPlan plan, IReadOnlyList<PublishedTensor> tensors, ITensorStore store)
    {
        var entries = tensors.SelectMany(Stored).Select(name => store.Entries[name]).ToArray();
        var (all, experts) = (tensors.Sum(Count), tensors.Where(tensor => tensor.Pieces[0].Expert is not null).Sum(Count));
        return new BlockFacts
        {
            Experts = plan.Gate.ExpertCount,
            TopK = plan.Gate.TopK,
            InputWidth = plan.InputWidth,
            HiddenWidth = plan.HiddenWidth,
            SharedWidth = plan.Shared?.HiddenWidth ?? 0,
            Types = [.. entries.Select(entry => entry.Type).Distinct()],
            Bytes = entries.Sum(entry => entry.ByteCount),
            Parameters = all,
            ActiveParameters = all - experts + (experts / plan.Gate.ExpertCount * plan.Gate.TopK),
        };

        IEnumerable<string> Stored(PublishedTensor tensor) => tensor.IsFloat8(store) ? [tensor.Name, tensor.ScaleName] : tensor.StoredNames;

        static long Count(PublishedTensor tensor) => tensor.Shape.Aggregate(1L, (product, size) => product * size);
    }
}
