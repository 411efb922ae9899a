using System.Collections.ObjectModel;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The tensors of a model's folder: one safetensors file, or shards with an index.</summary>
/// <remarks>
/// With <c>model.safetensors.index.json</c> the folder has the tensors that it lists, and the shards must hold exactly those. Without, it is
/// <c>model.safetensors</c>, or else the only file <c>*.safetensors</c>. Opening checks all headers; files are opened again when the first of their
/// tensors is read, and stay open. Several threads may read at once.
/// </remarks>
public sealed class SafetensorsFolder : ITensorStore, IDisposable
{
    private const string SingleFile = "model.safetensors";

    /// <summary>What a block alone is called, with its inputs and outputs beside it.</summary>
    private const string BlockFile = "weights.safetensors";

    private readonly Dictionary<string, string> _fileOf = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsHeader> _headers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsFile> _open = new(StringComparer.Ordinal);
    private readonly Lock _opening = new();
    private bool _isDisposed;

    private SafetensorsFolder(string path, IReadOnlyList<string> files)
    {
        Path = path;
        Files = files;
        var entries = new OrderedDictionary<string, TensorEntry>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            using var opened = SafetensorsFile.Open(FullName(file));
            _headers.Add(file, opened.Header);
            foreach (var (name, entry) in opened.Entries)
            {
                if (!_fileOf.TryAdd(name, file))
                    throw new InvalidDataException($"{path}: the tensor \"{name}\" is in {_fileOf[name]} and in {file}.");
                entries.Add(name, entry);
            }
        }
        Entries = new ReadOnlyDictionary<string, TensorEntry>(entries);
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>The names of the files that hold the tensors, in order.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Texts about the first file, in its order; null if it has none.</summary>
    public IReadOnlyDictionary<string, string>? Metadata => Files.Count == 0 ? null : _headers[Files[0]].Metadata;

    /// <inheritdoc/>
    /// <remarks>File by file, in the order of their data. The places are those in the tensor's own file.</remarks>
    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <summary>Opens a folder and checks the headers of its files.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="InvalidDataException">A file or the index breaks a rule, or the two do not fit together. The message says which, and how.</exception>
    /// <exception cref="IOException">There is no such folder, nothing in it, several files without an index, or something cannot be read.</exception>
    public static SafetensorsFolder Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var path = System.IO.Path.GetFullPath(folder);
        var index = System.IO.Path.Combine(path, ShardIndex.FileName);
        if (!File.Exists(index))
            return new(path, [OnlyFile(path)]);

        var listed = ShardIndex.Read(index);
        var opened = new SafetensorsFolder(path, [.. listed.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);
        opened.Require(listed, index);
        return opened;
    }

    /// <summary>The name of the file that a tensor is in.</summary>
    /// <param name="name">Which tensor.</param>
    /// <returns>One of <see cref="Files"/>.</returns>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    public string FileOf(string name) => _fileOf[this.Entry(name, Path).Name];

    /// <summary>Texts about a file, in their order; null if it has none.</summary>
    /// <param name="file">One of <see cref="Files"/>.</param>
    public IReadOnlyDictionary<string, string>? MetadataOf(string file) => _headers[file].Metadata;

    /// <inheritdoc/>
    public void Read(string name, long firstByte, Span<byte> destination) => OpenFile(FileOf(name)).Read(name, firstByte, destination);

    /// <inheritdoc cref="SafetensorsFile.ReadTensor"/>
    public Tensor ReadTensor(string name) => OpenFile(FileOf(name)).ReadTensor(name);

    /// <inheritdoc cref="SafetensorsFile.Map"/>
    public MappedTensor Map(string name) => OpenFile(FileOf(name)).Map(name);

    /// <inheritdoc cref="SafetensorsFile.MapTensor"/>
    public Tensor MapTensor(string name) => OpenFile(FileOf(name)).MapTensor(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_opening)
        {
            _isDisposed = true;
            foreach (var file in _open.Values)
                file.Dispose();
        }
    }

    private static string OnlyFile(string path)
    {
        if (Array.Find([SingleFile, BlockFile], name => File.Exists(System.IO.Path.Combine(path, name))) is { } known)
            return known;
        var files = Directory.GetFiles(path, "*.safetensors").Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal).ToList();
        return files switch
        {
            [var file] => file,
            [] => throw new FileNotFoundException($"{path} has no safetensors file."),
            _ => throw new IOException($"{path} has several safetensors files, but neither {ShardIndex.FileName} nor {SingleFile} to say which count: {string.Join(", ", files)}."),
        };
    }

    private string FullName(string file) => System.IO.Path.Combine(Path, file);

    private void Require(Dictionary<string, string> listed, string index)
    {
        foreach (var (name, file) in listed)
        {
            if (!_fileOf.TryGetValue(name, out var actual) || actual != file)
                throw new InvalidDataException($"{index} says that \"{name}\" is in {file}, but it is {(actual is null ? "in none of the files" : $"in {actual}")}.");
        }
        foreach (var (name, file) in _fileOf)
        {
            if (!listed.ContainsKey(name))
                throw new InvalidDataException($"{FullName(file)} has the tensor \"{name}\", which {ShardIndex.FileName} does not list.");
        }
    }

    private SafetensorsFile OpenFile(string file)
    {
        lock (_opening)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_open.TryGetValue(file, out var open))
                return open;
            open = SafetensorsFile.Open(FullName(file));
            if (!open.Header.HasSameEntriesAs(_headers[file]))
            {
                open.Dispose();
                throw new IOException($"{FullName(file)} has become another file since its folder was opened.");
            }
            _open.Add(file, open);
            return open;
        }
    }
}
