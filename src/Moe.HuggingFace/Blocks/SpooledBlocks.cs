namespace Moe.HuggingFace;

/// <summary>What blocks have become, in files of a folder of its own until the last of them is known: how many experts there are decides what the files of a checkpoint hold.</summary>
internal sealed class SpooledBlocks(string folder) : IDisposable
{
    private readonly List<(BlockInfo Block, SafetensorsFile File)> _files = [];
    private readonly Dictionary<string, SafetensorsFile> _fileOf = new(StringComparer.Ordinal);

    /// <summary>What each is made of.</summary>
    public IEnumerable<(BlockInfo Block, IReadOnlyList<TensorDescription> Tensors)> Blocks =>
        _files.Select(made => (made.Block, (IReadOnlyList<TensorDescription>)[.. made.File.Entries.Values.Select(TensorDescription.Of)]));

    /// <summary>Writes a block, which is not needed afterwards.</summary>
    public void Add(BlockUpdate block)
    {
        var path = Path.Combine(folder, $"{_files.Count}.safetensors");
        using var weights = new BlockWeights([block]);
        SafetensorsWriter.WritePieces(path, block.Tensors, weights.Read);
        var file = SafetensorsFile.Open(path);
        _files.Add((block.Info, file));
        foreach (var name in file.Entries.Keys)
            _fileOf.Add(name, file);
    }

    /// <inheritdoc cref="TensorReader"/>
    public void Read(string name, long firstByte, Span<byte> destination) => _fileOf[name].Read(name, firstByte, destination);

    /// <summary>Takes the folder away.</summary>
    public void Dispose()
    {
        foreach (var (_, file) in _files)
            file.Dispose();
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }
}
