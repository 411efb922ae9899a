using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// Named tensors and a text in one file, with a checksum over both. The layout is that of safetensors (length of the header, JSON header,
/// raw little-endian data), so that other programs can read the tensors; text and checksum lie in its metadata.
/// </summary>
/// <remarks>
/// <para>The checksum is a SHA-256 over header and data as they lie in the file, with zeros for its own digits.</para>
/// <para>More than one package compiles this file, each for its own format.</para>
/// </remarks>
internal sealed class TensorFormat
{
    private const string MetadataName = "__metadata__";
    private const int MaxHeaderBytes = 100_000_000;
    private const long ChunkBytes = 1 << 26;

    private static readonly byte[] NoChecksum = Encoding.UTF8.GetBytes(new string('0', 2 * SHA256.HashSizeInBytes));

    private static readonly Dictionary<ScalarType, string> TypeNames = new()
    {
        [ScalarType.Float64] = "F64",
        [ScalarType.Float32] = "F32",
        [ScalarType.Float16] = "F16",
        [ScalarType.BFloat16] = "BF16",
        [ScalarType.Int64] = "I64",
        [ScalarType.Int32] = "I32",
        [ScalarType.Int16] = "I16",
        [ScalarType.Int8] = "I8",
        [ScalarType.Byte] = "U8",
        [ScalarType.Bool] = "BOOL",
    };

    private readonly string _name;
    private readonly string _noun;

    /// <summary>How each header begins; the checksum's digits come next, so that their place is known before the JSON is read.</summary>
    private readonly byte[] _headerStart;

    /// <summary>A format.</summary>
    /// <param name="name">What files of it say they are; plain letters, digits and dashes.</param>
    /// <param name="noun">What messages call such a file, such as "checkpoint".</param>
    public TensorFormat(string name, string noun)
    {
        _name = name;
        _noun = noun;
        _headerStart = Encoding.UTF8.GetBytes("{\"" + MetadataName + "\":{\"format\":\"" + name + "\",\"sha256\":\"");
    }

    /// <summary>Writes to a stream that is kept open.</summary>
    public void Write(Stream stream, string text, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        var onHost = tensors.Select(item => (item.Name, Tensor: item.Tensor.detach().cpu().contiguous())).ToArray();
        var entries = new List<TensorEntry>(onHost.Length);
        var offset = 0L;
        foreach (var (name, tensor) in onHost)
        {
            var type = TypeNames.TryGetValue(tensor.dtype, out var known)
                ? known
                : throw new NotSupportedException($"Tensor {name} is of type {tensor.dtype}; a {_noun} holds {string.Join(", ", TypeNames.Keys)}.");
            var bytes = tensor.numel() * tensor.element_size();
            if (name == MetadataName || entries.Any(entry => entry.Name == name))
                throw new ArgumentException($"A tensor cannot be called {name}: the name is taken.", nameof(tensors));
            entries.Add(new TensorEntry(name, type, tensor.shape, offset, offset + bytes));
            offset += bytes;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var header = Header(text, entries);
        hash.AppendData(header);
        foreach (var (_, tensor) in onHost)
            ForEachChunk(tensor, chunk => hash.AppendData(chunk.bytes));
        Checksum(hash).CopyTo(header.AsSpan(_headerStart.Length));

        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var (_, tensor) in onHost)
            ForEachChunk(tensor, chunk => stream.Write(chunk.bytes));
    }

    /// <summary>Reads a whole file, or says why it cannot be what was written. The caller owns the tensors, which lie on the CPU.</summary>
    /// <exception cref="InvalidDataException">The file is cut short, altered, or something else.</exception>
    public (string Text, Dictionary<string, Tensor> Tensors) Read(string path)
    {
        using var stream = File.OpenRead(path);
        return Read(stream, path);
    }

    /// <summary>As <see cref="Read(string)"/>, from a stream that can seek and holds nothing else.</summary>
    /// <param name="stream">At its beginning. Stays open.</param>
    /// <param name="path">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is cut short, altered, or something else.</exception>
    public (string Text, Dictionary<string, Tensor> Tensors) Read(Stream stream, string path)
    {
        Span<byte> prefix = stackalloc byte[8];
        if (stream.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8)
            throw Broken(path, $"has {stream.Length} bytes, too few for a {_noun}");
        var headerLength = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (headerLength < 2 || headerLength > Math.Min(MaxHeaderBytes, stream.Length - 8))
            throw Broken(path, $"says its header has {headerLength} bytes, but has {stream.Length} bytes in all");

        var header = new byte[headerLength];
        stream.ReadExactly(header);
        var checksumPlace = _headerStart.Length..(_headerStart.Length + NoChecksum.Length);
        if (header.Length < checksumPlace.End.Value || !header.AsSpan().StartsWith(_headerStart))
            throw Broken(path, $"does not begin as a file of the format \"{_name}\" does");
        var checksum = header[checksumPlace];
        NoChecksum.CopyTo(header.AsSpan(checksumPlace));
        var (text, entries) = ParseHeader(path, header);
        var expected = 8 + headerLength + (entries.Count == 0 ? 0 : entries[^1].End);
        if (stream.Length != expected)
            throw Broken(path, $"should have {expected} bytes, but has {stream.Length}");

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            foreach (var entry in entries)
            {
                var tensor = empty(entry.Shape, dtype: TypeNames.First(pair => pair.Value == entry.Type).Key, device: CPU).DetachFromDisposeScope();
                tensors.Add(entry.Name, tensor);
                ForEachChunk(tensor, chunk =>
                {
                    stream.ReadExactly(chunk.bytes);
                    hash.AppendData(chunk.bytes);
                });
            }
            if (!Checksum(hash).AsSpan().SequenceEqual(checksum))
                throw Broken(path, "does not match its checksum");
            return (text, tensors);
        }
        catch
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
            throw;
        }
    }

    /// <summary>The header with zeros for the checksum, padded with blanks so that the data begins at a multiple of 8 bytes.</summary>
    private byte[] Header(string text, List<TensorEntry> entries)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject(MetadataName);
            json.WriteString("format", _name);
            json.WriteString("sha256", NoChecksum);
            json.WriteString("state", text);
            json.WriteEndObject();
            foreach (var entry in entries)
            {
                json.WritePropertyName(entry.Name);
                JsonSerializer.Serialize(json, new { dtype = entry.Type, shape = entry.Shape, data_offsets = new[] { entry.Start, entry.End } });
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private (string Text, List<TensorEntry> Entries) ParseHeader(string path, byte[] header)
    {
        try
        {
            using var json = JsonDocument.Parse(header);
            var entries = new List<TensorEntry>();
            var names = new HashSet<string>();
            var end = 0L;
            foreach (var item in json.RootElement.EnumerateObject().Where(item => item.Name != MetadataName))
            {
                var type = item.Value.GetProperty("dtype").GetString()!;
                var shape = item.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
                var offsets = item.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt64()).ToArray();
                var entry = new TensorEntry(item.Name, type, shape, offsets[0], offsets[1]);
                if (!names.Add(entry.Name))
                    throw Broken(path, $"has tensor {item.Name} more than once");
                if (!TypeNames.ContainsValue(type) || shape.Any(size => size < 0) || entry.Start != end || entry.End - entry.Start != entry.Bytes)
                    throw Broken(path, $"describes tensor {item.Name} in a way that cannot be: {item.Value}");
                end = entry.End;
                entries.Add(entry);
            }
            var text = json.RootElement.GetProperty(MetadataName).GetProperty("state").GetString()
                ?? throw Broken(path, "has no text");
            return (text, entries);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException($"{path} has a header that is not a {_noun}'s: {exception.Message}", exception);
        }
    }

    private static byte[] Checksum(IncrementalHash hash) => Encoding.UTF8.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset()));

    /// <summary>A span cannot hold more than 2 GB, a tensor can.</summary>
    private static void ForEachChunk(Tensor tensor, Action<Tensor> action)
    {
        if (tensor.numel() == 0)
            return;
        using var flat = tensor.reshape(-1);
        var perChunk = ChunkBytes / tensor.element_size();
        for (var start = 0L; start < flat.size(0); start += perChunk)
        {
            using var chunk = flat.narrow(0, start, Math.Min(perChunk, flat.size(0) - start));
            action(chunk);
        }
    }

    private InvalidDataException Broken(string path, string what) => new($"{path} {what}. It is not a whole {_noun}.");

    private sealed record TensorEntry(string Name, string Type, long[] Shape, long Start, long End)
    {
        /// <summary>The size; overflows for a shape that no tensor can have, even if one of its dimensions is 0.</summary>
        public long Bytes
        {
            get
            {
                var bytes = Shape.Aggregate(ElementBytes, (product, size) => checked(product * Math.Max(size, 1)));
                return Shape.Contains(0) ? 0 : bytes;
            }
        }

        private long ElementBytes => Type switch
        {
            "F64" or "I64" => 8,
            "F32" or "I32" => 4,
            "F16" or "BF16" or "I16" => 2,
            _ => 1,
        };
    }
}
