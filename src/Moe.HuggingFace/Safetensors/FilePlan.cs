using System.Buffers.Binary;
using System.Text;

namespace Moe.HuggingFace;

/// <summary>A file that is to be written: its first bytes, and the tensors in the order of their data.</summary>
/// <remarks>Byte for byte as the reference implementation writes it: no blanks but those that align the data.</remarks>
internal sealed class FilePlan
{
    private const int Alignment = 8;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private FilePlan(byte[] head, IReadOnlyList<TensorEntry> entries)
    {
        Head = head;
        Entries = entries;
    }

    /// <summary>Everything before the data.</summary>
    public byte[] Head { get; }

    /// <summary>The tensors in the order of their data, without holes.</summary>
    public IReadOnlyList<TensorEntry> Entries { get; }

    /// <summary>Checks everything that can be checked before a file is touched.</summary>
    /// <exception cref="ArgumentException">A file like that would break a rule of the format.</exception>
    public static FilePlan Of(IEnumerable<TensorDescription> tensors, IReadOnlyDictionary<string, string>? metadata, TensorOrder order)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var entries = new List<TensorEntry>();
        var end = 0L;
        foreach (var tensor in order == TensorOrder.AsGiven ? tensors : InReferenceOrder(tensors, tensor => tensor.Type, tensor => tensor.Name))
        {
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"There are two tensors \"{tensor.Name}\".", nameof(tensors));
            if (tensor.Name == SafetensorsHeader.MetadataName)
                throw new ArgumentException($"A tensor cannot have the name {SafetensorsHeader.MetadataName}.", nameof(tensors));
            if (ByteCount(tensor) is var size && size > long.MaxValue - SafetensorsHeader.MaxLength - SafetensorsHeader.PrefixLength - end)
                throw new ArgumentException($"The tensors up to \"{tensor.Name}\" have more bytes together than fit into 63 bits.", nameof(tensors));
            if (end % tensor.Type.Size() != 0)
                throw new ArgumentException($"In this order, \"{tensor.Name}\" would lie at byte {end} of the data, which is not a multiple of the {tensor.Type.Size()} bytes of an {tensor.Type.Name()}.", nameof(tensors));
            entries.Add(new(tensor.Name, tensor.Type, [.. tensor.Shape], end, end + size));
            end += size;
        }
        return new(Format(metadata, entries), entries);
    }

    /// <summary>Types of large numbers first, by name within each.</summary>
    public static IEnumerable<T> InReferenceOrder<T>(IEnumerable<T> tensors, Func<T, ElementType> typeOf, Func<T, string> nameOf) =>
        tensors.OrderByDescending(tensor => typeOf(tensor).Rank()).ThenBy(nameOf, CodePointOrder.Instance);

    /// <summary>The bytes of a tensor.</summary>
    /// <exception cref="ArgumentException">Its shape is none.</exception>
    public static long ByteCount(TensorDescription tensor)
    {
        if (tensor.Shape.Count > TensorShape.MaxRank)
            throw new ArgumentException($"The tensor \"{tensor.Name}\" has {tensor.Shape.Count} dimensions; {TensorShape.MaxRank} is the limit.", nameof(tensor));
        return TensorShape.ByteCount(tensor.Shape, tensor.Type) ?? throw new ArgumentException(
            $"The tensor \"{tensor.Name}\" has the shape {TensorShape.Text(tensor.Shape)}: sizes must not be negative, and their bytes must fit into 63 bits.", nameof(tensor));
    }

    private static byte[] Format(IReadOnlyDictionary<string, string>? metadata, IReadOnlyList<TensorEntry> entries)
    {
        var json = new StringBuilder("{");
        if (metadata is not null)
        {
            json.Append("\"" + SafetensorsHeader.MetadataName + "\":{");
            foreach (var (key, text) in metadata)
                Separate(json).AppendQuoted(key).Append(':').AppendQuoted(text);
            json.Append('}');
        }
        foreach (var entry in entries)
        {
            Separate(json).AppendQuoted(entry.Name).Append(":{\"dtype\":").AppendQuoted(entry.Type.Name()).Append(",\"shape\":[").AppendJoin(',', entry.Shape)
                .Append("],\"data_offsets\":[").Append(entry.Begin).Append(',').Append(entry.End).Append("]}");
        }
        return Framed(Encoded(json.Append('}').ToString()));
    }

    private static StringBuilder Separate(StringBuilder json) => json[^1] == '{' ? json : json.Append(',');

    private static byte[] Encoded(string json)
    {
        try
        {
            return Utf8.GetBytes(json);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException($"A name or a text has half a surrogate pair, which a file cannot hold: {exception.Message}", nameof(json), exception);
        }
    }

    private static byte[] Framed(byte[] json)
    {
        var length = (json.Length + Alignment - 1) / Alignment * Alignment;
        if (length > SafetensorsHeader.MaxLength)
            throw new ArgumentException($"The header would have {length} bytes; the limit is {SafetensorsHeader.MaxLength}.", nameof(json));
        var head = new byte[SafetensorsHeader.PrefixLength + length];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)length);
        json.CopyTo(head, SafetensorsHeader.PrefixLength);
        head.AsSpan(SafetensorsHeader.PrefixLength + json.Length).Fill((byte)' ');
        return head;
    }
}
