using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// Writes a checkpoint in another layout or decoded or both, file by file: a tensor goes to the file that its first part was in, everything else stays where it is.
/// </summary>
internal sealed class CheckpointConversion : IDisposable
{
    private readonly Checkpoint _source;
    private readonly ITensorStore _store;
    private readonly bool _isDecoded;
    private readonly TensorOrder _order;
    private readonly List<BlockConversion> _blocks = [];
    private readonly Dictionary<string, MadeTensor> _made = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used;
    private readonly ConvertedIndex _index;
    private (MadeTensor Made, long Place, Tensor Numbers)? _piece;

    /// <summary>Plans it; nothing is read but what lies beside the tensors.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="layout">That of all blocks; null for the one that a block has, or the fused one if that is quantised.</param>
    /// <param name="decode">Whether what is quantised becomes BFloat16.</param>
    public CheckpointConversion(Checkpoint source, BlockLayout? layout, bool decode)
    {
        if (layout == BlockLayout.Mxfp4)
            throw new NotSupportedException($"Checkpoints are converted to {BlockLayout.PerExpert} or {BlockLayout.Fused}; to write {layout}, weights would have to be quantised.");
        _source = source;
        var floats = decode ? DecodedTensors.Of(source) : null;
        _isDecoded = floats is not null || (decode && source.Blocks.Any(block => block.Layout == BlockLayout.Mxfp4));
        _store = floats ?? source.Tensors;
        _index = new ConvertedIndex(source);
        _order = DataOrder.Of(source.Files);
        foreach (var block in source.Blocks)
        {
            var to = layout ?? (block.Layout == BlockLayout.Mxfp4 ? BlockLayout.Fused : block.Layout);
            if (to == block.Layout)
                continue;
            if (block.Layout == BlockLayout.Mxfp4 && !decode)
                throw new NotSupportedException($"{block.Beginning} is quantised to {block.Layout}, whose bytes have no place in layout {to}. {nameof(Checkpoint)}.{nameof(Checkpoint.Decode)} writes BFloat16 instead.");
            _blocks.Add(new BlockConversion(source, _store, block, to));
        }
        _used = _blocks.SelectMany(block => block.Used).SelectMany(tensor => tensor.StoredNames).ToHashSet(StringComparer.Ordinal);
        foreach (var made in _blocks.SelectMany(block => block.Made))
        {
            if (!_used.Contains(made.Tensor.Name) && _store.Entries.ContainsKey(made.Tensor.Name))
                throw new InvalidDataException($"{made.Tensor.Name} would be made by the conversion, but is there already.");
            _made.Add(made.Tensor.Name, made);
        }
    }

    /// <summary>Writes all files into a folder that is there and empty.</summary>
    public void Write(string folder, CancellationToken cancellationToken)
    {
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        var bytes = 0L;
        var kept = _store.Entries.Values.Where(entry => !_used.Contains(entry.Name)).ToLookup(entry => _source.Files.FileOf(entry.Name), TensorDescription.Of);
        var made = _made.Values.ToLookup(FileOf, made => made.Description);
        var changed = _used.Concat(Decoded()).Select(_source.Files.FileOf).Concat(made.Select(file => file.Key)).ToHashSet(StringComparer.Ordinal);
        foreach (var name in _source.Files.Files.Union(changed))
        {
            // A file that was nothing but parts of tensors that are whole now is gone, until they are parted again.
            var like = _source.Files.Files.Contains(name) ? name : _source.Files.Files[0];
            var (tensors, order) = DataOrder.Sorted(kept[name].Concat(made[name]), _order);
            if (tensors.Length == 0)
                continue;
            if (changed.Contains(name))
                SafetensorsWriter.WritePieces(Path.Combine(folder, name), tensors, (tensor, first, target) => Fill(tensor, first, target, cancellationToken), _source.Files.MetadataOf(like), order);
            else
                File.Copy(Path.Combine(_source.Folder, name), Path.Combine(folder, name));
            foreach (var tensor in tensors)
                fileOf[tensor.Name] = name;
            bytes += tensors.Sum(FilePlan.ByteCount);
        }
        SideFiles.Copy(_source, folder, Instead(fileOf, bytes), cancellationToken);
    }

    public void Dispose()
    {
        _piece?.Numbers.Dispose();
        _piece = null;
    }

    /// <summary>The names of the tensors that are stored otherwise, or not any more, because 8-bit floats are decoded.</summary>
    private IEnumerable<string> Decoded() => _store is DecodedTensors store ? store.Decoded.SelectMany(name => new[] { name, Float8Blocks.ScaleName(name) }) : [];

    /// <summary>The file that a made tensor goes to.</summary>
    private string FileOf(MadeTensor made) => _index.HomeOf(made.Tensor.Name) ?? _source.Files.FileOf(made.Sources[0][0].Tensor.StoredNames[0]);

    /// <summary>A stretch of a tensor of the new file.</summary>
    private void Fill(string name, long first, Span<byte> target, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_made.TryGetValue(name, out var made))
        {
            _store.Read(name, first, target);
            return;
        }
        while (!target.IsEmpty)
        {
            var (place, begin) = Math.DivRem(first, made.PieceBytes);
            var count = (int)Math.Min(target.Length, made.PieceBytes - begin);
            TensorBytes.Copy(Piece(made, place), begin, target[..count]);
            first += count;
            target = target[count..];
        }
    }

    /// <summary>A piece of a tensor that is made. One is held at a time, as they are asked for in order.</summary>
    private Tensor Piece(MadeTensor made, long place)
    {
        if (_piece is { } held && ReferenceEquals(held.Made, made) && held.Place == place)
            return held.Numbers;
        Dispose();
        var numbers = made.Assemble((int)place, _store).DetachFromDisposeScope();
        _piece = (made, place, numbers);
        return numbers;
    }

    /// <summary>What is beside the tensors and not as it was: the index has new names, and settings say nothing of quantisation where all is decoded.</summary>
    private Dictionary<string, Action<string, string>> Instead(Dictionary<string, string> fileOf, long bytes)
    {
        var instead = new Dictionary<string, Action<string, string>>(StringComparer.Ordinal)
        {
            [ShardIndex.FileName] = (_, target) => _index.Write(target, _blocks, fileOf, _isDecoded ? bytes : null),
        };
        if (_isDecoded)
            instead[Checkpoint.ConfigFile] = (path, target) => File.WriteAllBytes(target, SettingsText.Without(File.ReadAllBytes(path), QuantisationSettings.Field));
        return instead;
    }
}
