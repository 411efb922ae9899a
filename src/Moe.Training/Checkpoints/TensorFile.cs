using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// Named tensors and a text in one file, with a checksum over both. The layout is that of safetensors (length of the header, JSON header,
/// raw little-endian data), so that other programs can read the tensors; text and checksum lie in its metadata.
/// </summary>
internal static class TensorFile
{
    private const string Format = "moe-checkpoint-1";
    private const int MaxHeaderBytes = 100_000_000;
    private const long ChunkBytes = 1 << 26;
    private const int ChecksumLength = 64;

    private static ReadOnlySpan<byte> ChecksumStart => "{\"__metadata__\":{\"sha256\":\""u8;

    private static readonly Dictionary<ScalarType, string> TypeNames = new()
    {
        [ScalarType.Float64] = "F64", [ScalarType.Float32] = "F32", [ScalarType.Float16] = "F16", [ScalarType.BFloat16] = "BF16",
        [ScalarType.Int64] = "I64", [ScalarType.Int32] = "I32", [ScalarType.Int16] = "I16", [ScalarType.Int8] = "I8",
        [ScalarType.Byte] = "U8", [ScalarType.Bool] = "BOOL",
    };

    /// <summary>Writes to a stream that is kept open.</summary>
    public static void Write(Stream stream, string text, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        var onHost = tensors.Select(item => (item.Name, Tensor: item.Tensor.detach().cpu().contiguous())).ToArray();
        var entries = new List<TensorEntry>(onHost.Length);
        var offset = 0L;
        foreach (var (name, tensor) in onHost)
        {
            var type = TypeNames.TryGetValue(tensor.dtype, out var known)
                ? known
                : throw new NotSupportedException($"Tensor {name} is of type {tensor.dtype}; a checkpoint holds {string.Join(", ", TypeNames.Keys)}.");
            var bytes = tensor.numel() * tensor.element_size();
            entries.Add(new TensorEntry(name, type, tensor.shape, offset, offset + bytes));
            offset += bytes;
        }

        var header = Header(text, entries);
        Sign(header, onHost.Select(item => item.Tensor));

        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var (_, tensor) in onHost)
            ForEachChunk(tensor, chunk => stream.Write(chunk.bytes));
    }

    /// <summary>Reads a whole file, or says why it cannot be what was written. The caller owns the tensors, which lie on the CPU.</summary>
    /// <exception cref="InvalidDataException">The file is cut short, altered, or something else.</exception>
    public static (string Text, Dictionary<string, Tensor> Tensors) Read(string path)
    {
        using var stream = File.OpenRead(path);
        Span<byte> prefix = stackalloc byte[8];
        if (stream.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8)
            throw Broken(path, $"has {stream.Length} bytes, too few for a checkpoint");
        var headerLength = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (headerLength < 2 || headerLength > Math.Min(MaxHeaderBytes, stream.Length - 8))
            throw Broken(path, $"says its header has {headerLength} bytes, but has {stream.Length} bytes in all");

        var header = new byte[headerLength];
        stream.ReadExactly(header);
        var (text, checksum, entries) = ParseHeader(path, header);
        var expected = 8 + headerLength + (entries.Count == 0 ? 0 : entries[^1].End);
        if (stream.Length != expected)
            throw Broken(path, $"should have {expected} bytes, but has {stream.Length}");

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Checksum(header).Fill((byte)'0');
        hash.AppendData(header);
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            foreach (var entry in entries)
            {
                var tensor = Allocate(path, entry);
                tensors.Add(entry.Name, tensor);
                ForEachChunk(tensor, chunk =>
                {
                    stream.ReadExactly(chunk.bytes);
                    hash.AppendData(chunk.bytes);
                });
            }
            if (Convert.ToHexStringLower(hash.GetHashAndReset()) != checksum)
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

    private static byte[] Header(string text, List<TensorEntry> entries)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("sha256", new string('0', ChecksumLength));
            json.WriteString("format", Format);
            json.WriteString("state", text);
            json.WriteEndObject();
            foreach (var entry in entries)
            {
                json.WritePropertyName(entry.Name);
                JsonSerializer.Serialize(json, new { dtype = entry.Type, shape = entry.Shape, data_offsets = new[] { entry.Start, entry.End } });
            }
            json.WriteEndObject();
        }

        // Readers that map the file into memory want the data aligned.
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    /// <summary>Puts the checksum into its place: SHA-256 of header, with zeros in that place, and data. No byte of the file stays uncovered.</summary>
    private static void Sign(byte[] header, IEnumerable<Tensor> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        foreach (var tensor in tensors)
            ForEachChunk(tensor, chunk => hash.AppendData(chunk.bytes));
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset()), Checksum(header));
    }

    /// <summary>The checksum's place: the value of the first property.</summary>
    private static Span<byte> Checksum(byte[] header) => header.AsSpan(ChecksumStart.Length, ChecksumLength);

    private static Tensor Allocate(string path, TensorEntry entry)
    {
        try
        {
            return empty(entry.Shape, dtype: TypeNames.First(pair => pair.Value == entry.Type).Key, device: CPU).DetachFromDisposeScope();
        }
        catch (ExternalException exception)
        {
            throw new InvalidDataException($"{path} has a tensor {entry.Name} of shape [{string.Join(", ", entry.Shape)}], which cannot be: {exception.Message}", exception);
        }
    }

    private static (string Text, string Checksum, List<TensorEntry> Entries) ParseHeader(string path, byte[] header)
    {
        try
        {
            if (header.Length < ChecksumStart.Length + ChecksumLength || !header.AsSpan().StartsWith(ChecksumStart))
                throw Broken(path, "does not begin as one");
            using var json = JsonDocument.Parse(header);
            var metadata = json.RootElement.GetProperty("__metadata__");
            if (metadata.GetProperty("format").GetString() != Format)
                throw Broken(path, $"has the format \"{metadata.GetProperty("format")}\", not \"{Format}\"");

            var entries = new List<TensorEntry>();
            var names = new HashSet<string>();
            var end = 0L;
            foreach (var item in json.RootElement.EnumerateObject().Where(item => item.Name != "__metadata__"))
            {
                var type = item.Value.GetProperty("dtype").GetString()!;
                var shape = item.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
                var offsets = item.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt64()).ToArray();
                var entry = new TensorEntry(item.Name, type, shape, offsets[0], offsets[1]);
                if (!names.Add(item.Name) || !TypeNames.ContainsValue(type) || shape.Any(size => size < 0) || entry.Start != end || entry.End - entry.Start != entry.Bytes)
                    throw Broken(path, $"describes tensor {item.Name} in a way that cannot be: {item.Value}");
                end = entry.End;
                entries.Add(entry);
            }
            return (metadata.GetProperty("state").GetString()!, metadata.GetProperty("sha256").GetString()!, entries);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException($"{path} has a header that is not a checkpoint's: {exception.Message}", exception);
        }
    }

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

    private static InvalidDataException Broken(string path, string what) => new($"{path} {what}. It is not a whole checkpoint.");

    private sealed record TensorEntry(string Name, string Type, long[] Shape, long Start, long End)
    {
        public long Bytes => checked(Shape.Aggregate(1L, (product, size) => checked(product * size)) * (Type switch
        {
            "F64" or "I64" => 8,
            "F32" or "I32" => 4,
            "F16" or "BF16" or "I16" => 2,
            _ => 1,
        }));
    }
}
