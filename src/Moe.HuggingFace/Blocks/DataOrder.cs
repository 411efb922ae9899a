namespace Moe.HuggingFace;

/// <summary>Some tools sort the data of a file by names alone, others by types first: as the source is, so is the target, and the way back gives the same bytes.</summary>
internal static class DataOrder
{
    /// <summary>The order of a checkpoint's files: by name, if all are and the reference would have sorted one of them otherwise. What can be either is the reference's.</summary>
    public static TensorOrder Of(SafetensorsFolder files)
    {
        TensorEntry[][] all = [.. files.Entries.Values.GroupBy(entry => files.FileOf(entry.Name)).Select(file => file.ToArray())];
        return all.All(IsByName) && !all.All(IsReference) ? TensorOrder.AsGiven : TensorOrder.Reference;
    }

    /// <summary>The tensors of a file by name, and the order that they can be written in: not every one of tensors of several types leaves all of them aligned.</summary>
    public static (TensorDescription[] Tensors, TensorOrder Order) Sorted(IEnumerable<TensorDescription> tensors, TensorOrder wanted)
    {
        TensorDescription[] sorted = [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        var end = 0L;
        foreach (var tensor in sorted)
        {
            if (end % tensor.Type.Size() != 0)
                return (sorted, TensorOrder.Reference);
            end += FilePlan.ByteCount(tensor);
        }
        return (sorted, wanted);
    }

    private static bool IsByName(TensorEntry[] entries) => entries.SequenceEqual(entries.OrderBy(entry => entry.Name, StringComparer.Ordinal));

    private static bool IsReference(TensorEntry[] entries) => entries.SequenceEqual(FilePlan.InReferenceOrder(entries, entry => entry.Type, entry => entry.Name));
}
