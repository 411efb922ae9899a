namespace Moe.HuggingFace;

/// <summary>The rules for where tensors may lie: each inside the data, of its shape's size and aligned; all together without overlaps and holes.</summary>
internal static class DataRules
{
    /// <summary>Checks the entries and puts them into the order of their data.</summary>
    /// <exception cref="InvalidDataException">A rule is broken.</exception>
    public static OrderedDictionary<string, TensorEntry> Check(List<TensorEntry> entries, long dataStart, long dataLength, string path)
    {
        foreach (var entry in entries)
            CheckOne(entry, dataStart, dataLength, path);

        entries.Sort((left, right) => (left.Begin, left.End) != (right.Begin, right.End)
            ? (left.Begin, left.End).CompareTo((right.Begin, right.End))
            : string.CompareOrdinal(left.Name, right.Name));

        var byName = new OrderedDictionary<string, TensorEntry>(entries.Count, StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (!byName.TryAdd(entry.Name, entry))
                throw HeaderParser.Broken(path, entry.Name, "is there twice; names must differ");
        }
        CheckCover(entries, dataLength, path);
        return byName;
    }

    private static void CheckOne(TensorEntry entry, long dataStart, long dataLength, string path)
    {
        var offsets = $"data_offsets [{entry.Begin},{entry.End}]";
        if (entry.End < entry.Begin)
            throw HeaderParser.Broken(path, entry.Name, $"has {offsets}; they must not run backwards");
        if (entry.End > dataLength)
            throw HeaderParser.Broken(path, entry.Name, $"has {offsets}, but the file has only {dataLength} bytes of data");

        var size = TensorShape.ByteCount(entry.Shape, entry.Type)
            ?? throw HeaderParser.Broken(path, entry.Name, $"has the shape {TensorShape.Text(entry.Shape)}, whose number of bytes as {entry.Type.Name()} does not fit into 63 bits");
        if (entry.ByteCount != size)
            throw HeaderParser.Broken(path, entry.Name, $"has {offsets}, {entry.ByteCount} bytes, but {TensorShape.Text(entry.Shape)} of {entry.Type.Name()} takes {size}");

        var place = dataStart + entry.Begin;
        if (place % entry.Type.Size() != 0)
            throw HeaderParser.Broken(path, entry.Name, $"lies at byte {place} of the file, which is not a multiple of the {entry.Type.Size()} bytes of an {entry.Type.Name()}");
    }

    private static void CheckCover(List<TensorEntry> inOrder, long dataLength, string path)
    {
        var covered = 0L;
        foreach (var entry in inOrder)
        {
            if (entry.Begin < covered)
                throw HeaderParser.Broken(path, entry.Name, $"begins at byte {entry.Begin} of the data, inside of the one before, which ends at {covered}");
            if (entry.Begin > covered)
                throw HeaderParser.Broken(path, entry.Name, $"begins at byte {entry.Begin} of the data, but the one before ends at {covered}; there must be no holes");
            covered = entry.End;
        }
        if (covered != dataLength)
            throw new InvalidDataException($"{path} has {dataLength} bytes of data, but its tensors end at byte {covered}; they must cover all.");
    }
}
