namespace Moe.HuggingFace;

/// <summary>
/// Writes a checkpoint with some of its blocks as they are now. What has not changed has the same bytes, in the order of its file; a tensor that is new goes to the file that its block's router is in.
/// </summary>
internal sealed class CheckpointUpdate
{
    private readonly Checkpoint _source;
    private readonly SavedNumbers _numbers;
    private readonly TensorReader _read;
    private readonly HashSet<string> _replaced = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (TensorDescription Tensor, string File, IReadOnlyList<PublishedTensor> Before)> _made = new(StringComparer.Ordinal);

    /// <summary>Plans it.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="numbers">E and K of its blocks from now on.</param>
    /// <param name="blocks">The blocks that are given, each once, and what they are made of now.</param>
    /// <param name="read">Gives the bytes of their tensors.</param>
    public CheckpointUpdate(Checkpoint source, SavedNumbers numbers, IEnumerable<(BlockInfo Block, IReadOnlyList<TensorDescription> Tensors)> blocks, TensorReader read)
    {
        (_source, _numbers, _read) = (source, numbers, read);
        foreach (var (block, tensors) in blocks)
        {
            var before = source.Checked(block);
            _replaced.UnionWith(before.Select(tensor => tensor.Name));
            var home = source.Files.FileOf(before.First(tensor => tensor.Role == WeightRole.RouterWeight).Name);
            foreach (var tensor in tensors)
                _made.Add(tensor.Name, (tensor, _replaced.Contains(tensor.Name) ? source.Files.FileOf(tensor.Name) : home, before));
        }
    }

    /// <summary>Writes all files into a folder that is there.</summary>
    public void Write(string folder, CancellationToken cancellationToken)
    {
        var wanted = DataOrder.Of(_source.Files);
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        var bytes = 0L;
        var stored = _source.Tensors.Entries.Values.ToLookup(entry => _source.Files.FileOf(entry.Name), TensorDescription.Of);
        var made = _made.Values.ToLookup(made => made.File, made => made.Tensor);
        foreach (var file in _source.Files.Files)
        {
            // A file that held nothing but experts that are gone is gone too.
            var (tensors, order) = Planned([.. stored[file]], [.. made[file]], wanted);
            if (tensors.Length == 0)
                continue;
            cancellationToken.ThrowIfCancellationRequested();
            if (order is { } given)
                SafetensorsWriter.WritePieces(Path.Combine(folder, file), tensors, (name, first, target) => Fill(name, first, target, cancellationToken), _source.Files.MetadataOf(file), given);
            else
                File.Copy(Path.Combine(_source.Folder, file), Path.Combine(folder, file));
            foreach (var tensor in tensors)
                fileOf[tensor.Name] = file;
            bytes += tensors.Sum(FilePlan.ByteCount);
        }
        SideFiles.Copy(_source, folder, Instead(fileOf, bytes), cancellationToken);
    }

    /// <summary>What a file holds from now on, and the order to write it in; null where it can be copied.</summary>
    private (TensorDescription[] Tensors, TensorOrder? Order) Planned(TensorDescription[] before, TensorDescription[] made, TensorOrder wanted)
    {
        if (!before.Any(tensor => _replaced.Contains(tensor.Name)))
            return (before, null);
        TensorDescription[] kept = [.. before.Where(tensor => !_replaced.Contains(tensor.Name))];
        if (made.Length + kept.Length == before.Length && before.All(IsAsBefore))
            return (before, TensorOrder.AsGiven);
        return DataOrder.Sorted(kept.Concat(made), wanted);
    }

    private bool IsAsBefore(TensorDescription tensor) =>
        !_replaced.Contains(tensor.Name) || (_made.TryGetValue(tensor.Name, out var made) && made.Tensor.Type == tensor.Type && made.Tensor.Shape.SequenceEqual(tensor.Shape));

    private void Fill(string name, long first, Span<byte> target, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_made.ContainsKey(name))
            _read(name, first, target);
        else
            _source.Tensors.Read(name, first, target);
    }

    /// <summary>What is beside the tensors and not as it was: settings and index where there are other experts.</summary>
    private Dictionary<string, Action<string, string>> Instead(Dictionary<string, string> fileOf, long bytes)
    {
        if (_numbers.Settings is not { } settings)
            return [];
        return new(StringComparer.Ordinal)
        {
            [Checkpoint.ConfigFile] = (_, target) => File.WriteAllBytes(target, settings),
            [ShardIndex.FileName] = (path, target) => ShardIndex.Rewrite(
                path, target, Ordered(fileOf.Keys, [.. ShardIndex.Read(path).Keys]).Select(tensor => KeyValuePair.Create(tensor, fileOf[tensor])), bytes, json => TensorHomes.Write(json, Homes())),
        };
    }

    /// <summary>Names that are sorted stay sorted; otherwise those that are there keep their order, and those that are new come behind the last of their block.</summary>
    private IEnumerable<string> Ordered(IEnumerable<string> names, string[] before)
    {
        if (before.SequenceEqual(before.Order(StringComparer.Ordinal)))
            return names.Order(StringComparer.Ordinal);
        var places = before.Index().ToDictionary(item => item.Item, item => item.Index, StringComparer.Ordinal);
        return names.OrderBy(name => places.TryGetValue(name, out var place) ? place : _made[name].Before.Max(tensor => places[tensor.Name])).ThenBy(name => !places.ContainsKey(name));
    }

    /// <summary>What the index notes of parts of tensors, without the parts of experts that are gone.</summary>
    private Dictionary<string, string> Homes()
    {
        var parts = _source.Blocks.SelectMany(block => _source.Family.Layouts.SelectMany(layout => _numbers.Plan.Tensors(block.Beginning, layout))).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        return TensorHomes.Read(_source).Where(home => parts.Contains(home.Key)).ToDictionary();
    }
}
