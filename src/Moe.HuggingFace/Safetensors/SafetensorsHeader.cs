using System.Buffers.Binary;
using System.Collections.ObjectModel;
using Microsoft.Win32.SafeHandles;

namespace Moe.HuggingFace;

/// <summary>What stands before the data of a safetensors file, checked against all rules of the format and against the file's length.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The name that is not a tensor's.</summary>
    public const string MetadataName = "__metadata__";

    /// <summary>The reference implementation's limit, in bytes.</summary>
    public const int MaxLength = 100_000_000;

    /// <summary>The bytes that say how long the header is.</summary>
    public const int PrefixLength = sizeof(ulong);

    private SafetensorsHeader(long dataStart, OrderedDictionary<string, string>? metadata, OrderedDictionary<string, TensorEntry> entries)
    {
        DataStart = dataStart;
        Metadata = metadata is null ? null : new ReadOnlyDictionary<string, string>(metadata);
        Entries = new ReadOnlyDictionary<string, TensorEntry>(entries);
    }

    /// <summary>The place of the first byte of data in the file.</summary>
    public long DataStart { get; }

    /// <summary>In the file's order; null if the file has none, which is not the same as an empty one.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; }

    /// <summary>In the order of their data.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <summary>Reads and checks the header of an open file; takes no more memory than a few times the header that is really there.</summary>
    /// <exception cref="InvalidDataException">It breaks a rule; the message says which, and where.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SafetensorsHeader Read(SafeFileHandle file, string path)
    {
        var fileLength = RandomAccess.GetLength(file);
        var prefix = new byte[PrefixLength];
        if (fileLength >= PrefixLength)
            ExactRead.At(file, 0, prefix, path);
        var header = new byte[CheckedLength(prefix, fileLength, path)];
        ExactRead.At(file, PrefixLength, header, path);
        return Checked(header, fileLength, path);
    }

    /// <summary>Checks the header of a file that is in memory as a whole.</summary>
    /// <exception cref="InvalidDataException">It breaks a rule; the message says which, and where.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> file, string path) =>
        Checked(file.Slice(PrefixLength, CheckedLength(file, file.Length, path)), file.Length, path);

    /// <summary>Whether two headers say the same of all tensors.</summary>
    public bool HasSameEntriesAs(SafetensorsHeader other) => DataStart == other.DataStart && Entries.Count == other.Entries.Count
        && Entries.Values.Zip(other.Entries.Values).All(pair => pair.First with { Shape = pair.Second.Shape } == pair.Second
            && pair.First.Shape.SequenceEqual(pair.Second.Shape));

    private static int CheckedLength(ReadOnlySpan<byte> prefix, long fileLength, string path)
    {
        if (fileLength < PrefixLength)
            throw new InvalidDataException($"{path} has {fileLength} bytes; a safetensors file begins with {PrefixLength} that say how long its header is.");
        if (prefix[..PrefixLength].SequenceEqual("version "u8))
            throw new InvalidDataException($"{path} is a pointer of Git LFS to the file, not the file itself; \"git lfs pull\" brings that.");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length < 2)
            throw new InvalidDataException($"{path} says that its header has {length} bytes; it must have at least 2.");
        if (length > MaxLength)
            throw new InvalidDataException($"{path} says that its header has {length} bytes; the limit is {MaxLength}.");
        if ((long)length > fileLength - PrefixLength)
            throw new InvalidDataException($"{path} says that its header has {length} bytes, but only {fileLength - PrefixLength} follow.");
        return (int)length;
    }

    private static SafetensorsHeader Checked(ReadOnlySpan<byte> header, long fileLength, string path)
    {
        var (metadata, entries) = HeaderParser.Parse(header, path);
        var dataStart = (long)PrefixLength + header.Length;
        return new(dataStart, metadata, DataRules.Check(entries, dataStart, fileLength - dataStart, path));
    }
}
