using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Writes a checkpoint with some of its blocks as they are now, file by file and in the order of each file: what has not changed has the same bytes.</summary>
internal sealed class CheckpointUpdate : IDisposable
{
    private readonly Checkpoint _source;
    private readonly Dictionary<string, PublishedBlock> _blockOf = new(StringComparer.Ordinal);
    private PublishedBlock? _current;
    private IReadOnlyDictionary<string, Tensor> _weights = new Dictionary<string, Tensor>();

    public CheckpointUpdate(Checkpoint source, IReadOnlyList<PublishedBlock> blocks)
    {
        _source = source;
        foreach (var block in blocks)
        {
            ArgumentNullException.ThrowIfNull(block, nameof(blocks));
            if (!source.Blocks.Contains(block.Info) || block.Family != source.Family)
                throw new ArgumentException($"The block {block.Info.Beginning} ({block.Family.Name}, {block.Info.Layout}) is not of {source.Folder}.", nameof(blocks));
            if (block.Compression is { } compression)
                throw new NotSupportedException($"The weights of {block.Info.Beginning} are kept as {compression}: they are not what the checkpoint has.");
            var own = block.Tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Shape, StringComparer.Ordinal);
            foreach (var tensor in source.Checked(block.Info))
            {
                // Names alone may be those of a smaller or larger model.
                if (!own.TryGetValue(tensor.Name, out var shape) || !shape.AsSpan().SequenceEqual(tensor.Shape))
                    throw new ArgumentException($"The block {block.Info.Beginning} is not of {source.Folder}: it has {tensor.Name} {(shape is null ? "not at all" : $"of shape [{string.Join(", ", shape)}]")}; expected [{string.Join(", ", tensor.Shape)}].", nameof(blocks));
                if (tensor.IsQuantised(source.Tensors))
                    throw new NotSupportedException($"{tensor.Name} is quantised in {source.Folder}, and trained weights are not quantised again. {nameof(Checkpoint)}.{nameof(Checkpoint.Decode)} makes a checkpoint that takes them.");
                if (!_blockOf.TryAdd(tensor.Name, block))
                    throw new ArgumentException($"The block {block.Info.Beginning} is there twice.", nameof(blocks));
            }
        }
    }

    /// <summary>Writes all files into a folder that is there and empty.</summary>
    public void Write(string folder, CancellationToken cancellationToken)
    {
        foreach (var name in _source.Files.Files)
        {
            var tensors = _source.Tensors.Entries.Values.Where(entry => _source.Files.FileOf(entry.Name) == name).Select(TensorDescription.Of);
            SafetensorsWriter.WritePieces(Path.Combine(folder, name), tensors, (tensor, first, target) => Fill(tensor, first, target, cancellationToken), _source.Files.MetadataOf(name), TensorOrder.AsGiven);
        }
        foreach (var path in Directory.EnumerateFiles(_source.Folder).Where(path => !_source.Files.Files.Contains(Path.GetFileName(path))))
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)));
    }

    public void Dispose()
    {
        foreach (var weight in _weights.Values)
            weight.Dispose();
    }

    private void Fill(string name, long first, Span<byte> target, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_blockOf.TryGetValue(name, out var block))
        {
            _source.Tensors.Read(name, first, target);
            return;
        }
        if (_current != block)
        {
            // The weights of one block at a time.
            Dispose();
            using var scope = NewDisposeScope();
            _weights = block.WeightsAs(tensor => _source.Tensors.Entries[tensor.Name].Type.ToTorch());
            scope.Detach(_weights.Values);
            _current = block;
        }
        TensorBytes.Copy(_weights[name], first, target);
    }
}
