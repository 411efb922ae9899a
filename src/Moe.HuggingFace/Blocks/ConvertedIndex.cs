namespace Moe.HuggingFace;

/// <summary>
/// The index of a checkpoint that is converted. Names that most tools sort stay sorted; where they are not, those that are left keep their order, and what is made of others comes in their place.
/// </summary>
internal sealed class ConvertedIndex
{
    private readonly Checkpoint _source;
    private readonly string _path;
    private readonly IReadOnlyDictionary<string, string> _homes;
    private readonly Dictionary<string, int> _places;
    private readonly bool _isSorted;

    public ConvertedIndex(Checkpoint source)
    {
        _source = source;
        _path = Path.Combine(source.Folder, ShardIndex.FileName);
        _homes = TensorHomes.Read(source);
        string[] names = File.Exists(_path) ? [.. ShardIndex.Read(_path).Keys] : [];
        _places = Places(names);
        _isSorted = names.SequenceEqual(names.Order(StringComparer.Ordinal));
    }

    /// <summary>The file that a tensor was in before an earlier conversion; null if nothing is noted.</summary>
    public string? HomeOf(string name) => _homes.GetValueOrDefault(name);

    /// <summary>Writes it.</summary>
    /// <param name="target">The path.</param>
    /// <param name="blocks">All that is converted.</param>
    /// <param name="fileOf">The files of all tensors.</param>
    /// <param name="decodedBytes">The bytes of all tensors, if some are decoded: then the sum in the index is not what it was.</param>
    public void Write(string target, IReadOnlyList<BlockConversion> blocks, IReadOnlyDictionary<string, string> fileOf, long? decodedBytes) =>
        ShardIndex.Rewrite(
            _path, target, Ordered(blocks, fileOf.Keys).Select(name => KeyValuePair.Create(name, fileOf[name])), decodedBytes,
            index => TensorHomes.Write(index, Homes(blocks, fileOf, isDecoded: decodedBytes is not null)));

    private IEnumerable<string> Ordered(IReadOnlyList<BlockConversion> blocks, IEnumerable<string> names)
    {
        if (_isSorted)
            return names.Order(StringComparer.Ordinal);
        var noted = Places(_homes.Keys);

        // Experts come where the first of their block was: in the order that is noted, or else one expert after the other.
        var made = new Dictionary<string, (int Place, int Noted, int Expert, int Order)>();
        foreach (var block in blocks)
        {
            var experts = block.Used.Where(IsOfExperts).Min(tensor => _places[tensor.StoredNames[0]]);
            var isNoted = block.Made.Select(tensor => tensor.Tensor).Where(IsOfExperts).All(tensor => noted.ContainsKey(tensor.Name));
            foreach (var (order, tensor) in block.Made.Index())
            {
                var name = tensor.Tensor.Name;
                made[name] = IsOfExperts(tensor.Tensor)
                    ? (experts, isNoted ? noted[name] : 0, tensor.Tensor.Pieces[0].Expert!.Value, order)
                    : (_places[tensor.Sources[0][0].Tensor.StoredNames[0]], 0, 0, 0);
            }
        }
        return names.OrderBy(name => made.TryGetValue(name, out var place) ? place : (_places[name], 0, 0, 0));
    }

    /// <summary>
    /// What is noted: tensors that lay in other files than what is made of them now, all of a block where their order is none that they would be given, and what was noted before of others
    /// that are still not there.
    /// </summary>
    private IEnumerable<KeyValuePair<string, string>> Homes(IReadOnlyList<BlockConversion> blocks, IReadOnlyDictionary<string, string> fileOf, bool isDecoded)
    {
        var homes = _homes.Where(home => !fileOf.ContainsKey(home.Key) && !(isDecoded && Float8Blocks.IsScaleName(home.Key))).ToDictionary(StringComparer.Ordinal);
        foreach (var block in blocks)
        {
            var now = block.Made.SelectMany(made => made.Sources.SelectMany(sources => sources).Select(source => (source.Tensor.Name, File: fileOf[made.Tensor.Name])))
                .DistinctBy(part => part.Name).ToDictionary(part => part.Name, part => part.File);
            PublishedTensor[] parts = [.. block.Used.Where(tensor => !tensor.IsMxfp4)];
            var isUsual = _isSorted || IsUsual([.. parts.Where(IsOfExperts)]);
            foreach (var part in parts)
            {
                if (_source.Files.FileOf(part.Name) is var file && (file != now[part.Name] || (!isUsual && IsOfExperts(part))))
                    homes[part.Name] = file;
            }
        }
        return _isSorted ? homes.OrderBy(home => home.Key, StringComparer.Ordinal) : homes.OrderBy(home => _places.GetValueOrDefault(home.Key, int.MaxValue));
    }

    private static bool IsOfExperts(PublishedTensor tensor) => tensor.Pieces[0].Expert is not null;

    private static Dictionary<string, int> Places(IEnumerable<string> names) => names.Index().ToDictionary(item => item.Item, item => item.Index, StringComparer.Ordinal);

    /// <summary>Whether they are listed one expert after the other, and each in the order of the family's table.</summary>
    private bool IsUsual(PublishedTensor[] parts) => parts.OrderBy(part => part.Pieces[0].Expert).SequenceEqual(parts.OrderBy(part => _places[part.Name]));
}
