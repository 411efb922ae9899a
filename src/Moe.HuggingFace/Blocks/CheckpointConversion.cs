using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Writes a checkpoint in another layout, file by file: a tensor goes to the file that its first part was in, everything else stays where it is.</summary>
internal sealed class CheckpointConversion : IDisposable
{
    private readonly Checkpoint _source;
    private readonly Dictionary<string, (BlockInfo Block, PublishedTensor Tensor)> _made = [];
    private readonly HashSet<string> _used = [];
    private readonly Dictionary<BlockInfo, IReadOnlyList<PublishedTensor>> _before = [];
    private readonly Dictionary<string, string> _fileOf = [];
    private readonly IReadOnlyDictionary<string, string> _homes;
    private BlockInfo? _loaded;
    private Dictionary<string, Tensor> _parameters = [];
    private Tensor? _whole;
    private string? _wholeName;

    public CheckpointConversion(Checkpoint source, BlockLayout to)
    {
        _source = source;
        _homes = TensorHomes.Read(source);
        if (to == BlockLayout.Mxfp4)
            throw new NotSupportedException($"Checkpoints are converted to {BlockLayout.PerExpert} or {BlockLayout.Fused}; to write {to}, weights would have to be quantised.");
        foreach (var block in source.Blocks.Where(block => block.Layout != to))
        {
            var before = _before[block] = source.Checked(block);
            if (before.FirstOrDefault(tensor => tensor.IsQuantised(source.Tensors)) is { } quantised)
                throw new NotSupportedException($"{quantised.Name} is quantised: a change of its layout would not keep its bytes. Load the block and write it, which decodes it.");
            foreach (var tensor in before)
            {
                _used.Add(tensor.Name);
                foreach (var piece in tensor.Pieces)
                    _fileOf.TryAdd(Key(block, piece), source.Files.FileOf(tensor.Name));
            }
            RequireOneType(before);
            foreach (var tensor in source.Plan.Tensors(block.Beginning, to))
                _made[tensor.Name] = (block, tensor);
        }
        var taken = _made.Keys.FirstOrDefault(name => !_used.Contains(name) && source.Tensors.Entries.ContainsKey(name));
        if (taken is not null)
            throw new InvalidDataException($"{taken} would be made by the conversion, but is there already.");
    }

    /// <summary>Writes all files into a folder that is there and empty.</summary>
    public void Write(string folder, CancellationToken cancellationToken)
    {
        var index = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var kept = _source.Tensors.Entries.Values.Where(entry => !_used.Contains(entry.Name)).ToLookup(entry => _source.Files.FileOf(entry.Name), TensorDescription.Of);
        var made = _made.Values.ToLookup(made => FileOf(made.Block, made.Tensor), made => new TensorDescription(made.Tensor.Name, TypeOf(made.Block, made.Tensor), made.Tensor.Shape));
        foreach (var name in _source.Files.Files.Union(made.Select(file => file.Key)))
        {
            // A file that was nothing but parts of tensors that are whole now is gone, until they are parted again.
            var like = _source.Files.Files.Contains(name) ? name : _source.Files.Files[0];
            TensorDescription[] tensors = [.. kept[name].Concat(made[name]).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
            if (tensors.Length == 0)
                continue;
            SafetensorsWriter.WritePieces(Path.Combine(folder, name), tensors, (tensor, first, target) => Fill(tensor, first, target, cancellationToken), _source.Files.MetadataOf(like), OrderOf(like));
            foreach (var tensor in tensors)
                index[tensor.Name] = name;
        }
        CopyOthers(folder, index);
    }

    public void Dispose()
    {
        _whole?.Dispose();
        (_whole, _wholeName) = (null, null);
        foreach (var parameter in _parameters.Values)
            parameter.Dispose();
        _parameters = [];
    }

    private static string Key(BlockInfo block, WeightPiece piece) => $"{block.Beginning}{piece.Parameter}[{piece.Expert}]";

    /// <summary>Some tools sort a file by names alone, others by types first: as the source is, so is the target, and the way back gives the same bytes.</summary>
    private TensorOrder OrderOf(string file)
    {
        var names = _source.Tensors.Entries.Keys.Where(name => _source.Files.FileOf(name) == file).ToArray();
        return names.SequenceEqual(names.Order(StringComparer.Ordinal)) ? TensorOrder.AsGiven : TensorOrder.Reference;
    }

    /// <summary>What becomes one tensor must be of one type.</summary>
    private void RequireOneType(IReadOnlyList<PublishedTensor> tensors)
    {
        foreach (var group in tensors.GroupBy(tensor => tensor.Pieces[0].Parameter))
        {
            var types = group.Select(tensor => _source.Tensors.Entries[tensor.Name].Type).Distinct().ToArray();
            if (types.Length > 1)
                throw new InvalidDataException($"{string.Join(", ", group.Select(tensor => tensor.Name).Take(3))} … become one tensor, but are of types {string.Join(", ", types)}.");
        }
    }

    private string FileOf(BlockInfo block, PublishedTensor tensor) => _homes.GetValueOrDefault(tensor.Name) ?? _fileOf[Key(block, tensor.Pieces[0])];

    /// <summary>The tensors that are used and lay in other files than what they are part of now.</summary>
    private SortedDictionary<string, string> Moved()
    {
        var now = _made.Values.SelectMany(made => made.Tensor.Pieces.Select(piece => (Key: Key(made.Block, piece), File: FileOf(made.Block, made.Tensor)))).GroupBy(pair => pair.Key).ToDictionary(group => group.Key, group => group.First().File);
        var moved = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (block, tensors) in _before)
        {
            foreach (var tensor in tensors)
            {
                var file = _source.Files.FileOf(tensor.Name);
                if (tensor.Pieces.Count == 1 && now[Key(block, tensor.Pieces[0])] != file)
                    moved[tensor.Name] = file;
            }
        }
        return moved;
    }

    private ElementType TypeOf(BlockInfo block, PublishedTensor tensor) =>
        _source.Tensors.Entries[_before[block].First(before => before.Pieces[0].Parameter == tensor.Pieces[0].Parameter).Name].Type;

    /// <summary>A stretch of a tensor of the new file.</summary>
    private void Fill(string name, long first, Span<byte> target, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_made.TryGetValue(name, out var made))
        {
            _source.Tensors.Read(name, first, target);
            return;
        }
        if (_wholeName != name)
        {
            Load(made.Block, cancellationToken);
            _whole?.Dispose();
            _whole = BlockWriter.Assemble(made.Tensor, _parameters, _parameters[made.Tensor.Pieces[0].Parameter].dtype).DetachFromDisposeScope();
            _wholeName = name;
        }
        TensorBytes.Copy(_whole!, first, target);
    }

    /// <summary>The parameters of a block, each in the type that is stored. One block is held at a time.</summary>
    private void Load(BlockInfo block, CancellationToken cancellationToken)
    {
        if (_loaded == block)
            return;
        Dispose();
        _parameters = BlockReader.Read(_source.Tensors, _before[block], _source.Plan.Parameters, (_, stored) => stored, cancellationToken);
        _loaded = block;
    }

    /// <summary>Everything beside the tensors as it is, and the index with the new names.</summary>
    private void CopyOthers(string folder, SortedDictionary<string, string> index)
    {
        var tensors = _source.Files.Files.ToHashSet(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(_source.Folder))
        {
            var name = Path.GetFileName(path);
            if (tensors.Contains(name))
                continue;
            if (name == ShardIndex.FileName)
                WriteIndex(path, Path.Combine(folder, name), index);
            else
                File.Copy(path, Path.Combine(folder, name));
        }
    }

    private void WriteIndex(string path, string target, SortedDictionary<string, string> index)
    {
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json["weight_map"] = new JsonObject(index.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        TensorHomes.Write(json, Moved());
        File.WriteAllText(target, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }
}
