using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A safetensors file, open for reading.</summary>
/// <remarks>
/// Opening reads and checks the header alone; tensors are read when asked for. Several threads may read at once. A file that is cut off or made
/// unreadable later gives an <see cref="IOException"/>, not a crash; only <see cref="Map"/> and <see cref="MapTensor"/> cannot promise that.
/// </remarks>
public sealed class SafetensorsFile : ITensorStore, IDisposable
{
    private readonly SafeFileHandle _file;

    private SafetensorsFile(string path, SafeFileHandle file, SafetensorsHeader header)
    {
        Path = path;
        Header = header;
        _file = file;
    }

    /// <summary>The full path.</summary>
    public string Path { get; }

    /// <summary>Texts about the file, in its order; null if it has none. Most tools write "format": "pt".</summary>
    public IReadOnlyDictionary<string, string>? Metadata => Header.Metadata;

    /// <inheritdoc/>
    /// <remarks>In the order of their data.</remarks>
    public IReadOnlyDictionary<string, TensorEntry> Entries => Header.Entries;

    internal SafetensorsHeader Header { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="InvalidDataException">It is not a safetensors file, or breaks a rule of the format. The message names file, tensor, value and rule.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = System.IO.Path.GetFullPath(path);
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(full, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return new(full, file, SafetensorsHeader.Read(file, full));
        }
        catch (Exception exception)
        {
            file?.Dispose();

            // Folders, pipes, and files of others.
            if (exception is UnauthorizedAccessException or NotSupportedException)
                throw new IOException($"{full} cannot be read: {(Directory.Exists(full) ? "It is a folder." : exception.Message)}", exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, long firstByte, Span<byte> destination)
    {
        var entry = this.Entry(name, Path);
        ArgumentOutOfRangeException.ThrowIfNegative(firstByte);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstByte, entry.ByteCount);
        if (destination.Length > entry.ByteCount - firstByte)
            throw new ArgumentOutOfRangeException(nameof(destination), destination.Length, $"From byte {firstByte} on, \"{name}\" has only {entry.ByteCount - firstByte} bytes.");
        ExactRead.At(_file, Header.DataStart + entry.Begin + firstByte, destination, Path);
    }

    /// <summary>Reads a tensor, straight into its own memory.</summary>
    /// <param name="name">Which.</param>
    /// <returns>A new tensor on the CPU, the caller's. Types that torch's C# side lacks (F8) come as bytes of the same shape.</returns>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    /// <exception cref="InvalidDataException">It is of type BOOL and has bytes other than 0 and 1, which torch must not see.</exception>
    /// <exception cref="IOException">The file cannot be read, or has become shorter.</exception>
    public Tensor ReadTensor(string name) => this.ReadWhole(name, Path);

    /// <summary>Maps a tensor's part of the file into memory: nothing is read until it is looked at, and the system can drop it again.</summary>
    /// <remarks>
    /// Whoever looks at mapped bytes that are no longer in the file, because somebody has cut it off, ends the process: use this only for files that
    /// stay as they are, and <see cref="Read"/> for others.
    /// </remarks>
    /// <param name="name">Which.</param>
    /// <returns>The caller's to dispose; it may outlive this file.</returns>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    /// <exception cref="IOException">The file cannot be mapped, or has become shorter.</exception>
    public MappedTensor Map(string name)
    {
        var (entry, place) = Whole(name);
        return MappedTensor.Of(entry, _file, place);
    }

    /// <summary>A tensor whose numbers are the file's own part of memory: nothing is read until it is needed, and the system can drop it again.</summary>
    /// <remarks>
    /// As with <see cref="Map"/>, a file that is cut off while the tensor is in use ends the process. Writing to the tensor is allowed and changes the
    /// tensor alone, never the file: what is written to is copied, page by page. The file is opened anew by its path, which must still name the same one.
    /// </remarks>
    /// <param name="name">Which.</param>
    /// <returns>A tensor on the CPU, the caller's; it may outlive this file. Types that torch's C# side lacks (F8) come as bytes of the same shape.</returns>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    /// <exception cref="InvalidDataException">It is of type BOOL and has bytes other than 0 and 1, which torch must not see.</exception>
    /// <exception cref="IOException">The file has become shorter.</exception>
    public Tensor MapTensor(string name)
    {
        var (entry, place) = Whole(name);
        if (entry.Type == ElementType.Bool)
        {
            using var map = MappedTensor.Of(entry, _file, place);
            TensorReading.RequireBools(map.Bytes, name, 0, Path);
        }
        return TensorMapping.Of(Path, entry, place);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>A tensor and its place in the file, where it must still be.</summary>
    private (TensorEntry Entry, long Place) Whole(string name)
    {
        var entry = this.Entry(name, Path);
        ObjectDisposedException.ThrowIf(_file.IsClosed, this);
        var place = Header.DataStart + entry.Begin;
        return RandomAccess.GetLength(_file) >= place + entry.ByteCount
            ? (entry, place)
            : throw new EndOfStreamException($"{Path} has become shorter: it has no longer all bytes of \"{name}\".");
    }
}
