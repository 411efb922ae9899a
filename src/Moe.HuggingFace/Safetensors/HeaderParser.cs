using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Moe.HuggingFace;

/// <summary>Reads the JSON of a header token by token, without a tree, and takes nothing but what the format allows.</summary>
internal ref struct HeaderParser
{
    private readonly string _path;
    private Utf8JsonReader _json;

    private HeaderParser(ReadOnlySpan<byte> header, string path)
    {
        _path = path;
        _json = new(header);
    }

    /// <summary>The metadata, or null, and the tensors in the order of the header. Where they lie is not checked yet.</summary>
    /// <exception cref="InvalidDataException">A rule is broken.</exception>
    public static (OrderedDictionary<string, string>? Metadata, List<TensorEntry> Entries) Parse(ReadOnlySpan<byte> header, string path)
    {
        if (!Utf8.IsValid(header))
            throw new InvalidDataException($"{path}: the header is not valid UTF-8.");
        if (header[0] != '{')
            throw new InvalidDataException($"{path}: the header begins with the byte {header[0]}, not with {{.");
        try
        {
            var parser = new HeaderParser(header, path);
            var content = parser.Header();
            if (header[(int)parser._json.BytesConsumed..].IndexOfAnyExcept((byte)' ') is >= 0 and var rubbish)
                throw new InvalidDataException($"{path}: {header.Length - parser._json.BytesConsumed - rubbish} bytes after the end of the header's JSON are not the spaces that may be there.");
            return content;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}: the header is not valid JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            // What the JSON reader throws at "\ud800".
            throw new InvalidDataException($"{path}: the header has a string with half a surrogate pair: {exception.Message}", exception);
        }
    }

    /// <summary>The exception for a tensor that breaks a rule.</summary>
    public static InvalidDataException Broken(string path, string tensor, string rule) => new($"{path}: the tensor \"{Short(tensor)}\" {rule}.");

    private static string Short(string text) => text.Length <= 100 ? text : text[..100] + "…";

    private (OrderedDictionary<string, string>? Metadata, List<TensorEntry> Entries) Header()
    {
        OrderedDictionary<string, string>? metadata = null;
        var entries = new List<TensorEntry>();
        Next();
        while (Next() != JsonTokenType.EndObject)
        {
            var name = Text();
            Next();
            if (name != SafetensorsHeader.MetadataName)
                entries.Add(Entry(name));
            else if (metadata is null)
                metadata = Metadata();
            else
                throw new InvalidDataException($"{_path}: {SafetensorsHeader.MetadataName} is there twice.");
        }
        return (metadata, entries);
    }

    private OrderedDictionary<string, string> Metadata()
    {
        const string rule = $"{SafetensorsHeader.MetadataName} must be an object of strings";
        if (_json.TokenType != JsonTokenType.StartObject)
            throw new InvalidDataException($"{_path}: {rule}, not {Shown()}.");
        var metadata = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        while (Next() != JsonTokenType.EndObject)
        {
            var key = Text();
            if (Next() != JsonTokenType.String)
                throw new InvalidDataException($"{_path}: {rule}, but \"{Short(key)}\" is {Shown()}.");
            if (!metadata.TryAdd(key, Text()))
                throw new InvalidDataException($"{_path}: {SafetensorsHeader.MetadataName} has the key \"{Short(key)}\" twice.");
        }
        return metadata;
    }

    private TensorEntry Entry(string name)
    {
        if (_json.TokenType != JsonTokenType.StartObject)
            throw Broken(_path, name, $"must be described by an object, not by {Shown()}");
        ElementType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (Next() != JsonTokenType.EndObject)
        {
            if (_json.ValueTextEquals("dtype"u8))
                type = type is null ? Type(name) : throw Twice(name, "dtype");
            else if (_json.ValueTextEquals("shape"u8))
                shape = shape is null ? Numbers(name, "shape", TensorShape.MaxRank) : throw Twice(name, "shape");
            else if (_json.ValueTextEquals("data_offsets"u8))
                offsets = offsets is null ? Numbers(name, "data_offsets", 2) : throw Twice(name, "data_offsets");
            else
                throw Broken(_path, name, $"has the unknown field \"{Shown()}\"");
        }
        if (offsets is { Length: not 2 })
            throw Broken(_path, name, $"has {offsets.Length} data_offsets; there must be 2");
        return new(name, type ?? throw Missing(name, "dtype"), shape ?? throw Missing(name, "shape"),
            offsets is null ? throw Missing(name, "data_offsets") : offsets[0], offsets[1]);
    }

    private ElementType Type(string name)
    {
        if (Next() == JsonTokenType.String)
        {
            foreach (var type in ElementTypes.All)
            {
                if (_json.ValueTextEquals(type.Name()))
                    return type;
            }
        }
        throw Broken(_path, name, $"has the dtype {Shown()}, which is none of {ElementTypes.Names}");
    }

    private long[] Numbers(string name, string field, int limit)
    {
        if (Next() != JsonTokenType.StartArray)
            throw Broken(_path, name, $"must have a list as its {field}, not {Shown()}");
        Span<long> numbers = stackalloc long[limit];
        var count = 0;
        while (Next() != JsonTokenType.EndArray)
        {
            if (count == limit)
                throw Broken(_path, name, $"has more than {limit} numbers in its {field}");

            // Digits alone: 1e3, 1.0 and -0 are numbers to JSON, too, but not to the reference implementation.
            var digits = _json.TokenType == JsonTokenType.Number ? _json.ValueSpan : default;
            if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(digits, out numbers[count], out _))
                throw Broken(_path, name, $"has {Shown()} in its {field}, which is not a whole number from 0 to {long.MaxValue}");
            count++;
        }
        return numbers[..count].ToArray();
    }

    private JsonTokenType Next()
    {
        // At the end of the text the reader throws by itself, as long as something is still open.
        _ = _json.Read();
        return _json.TokenType;
    }

    private readonly string Text() => _json.GetString()!;

    /// <summary>The token as it stands in the file, cut off where it gets long.</summary>
    private readonly string Shown() => _json.ValueSpan.Length <= 60
        ? Encoding.UTF8.GetString(_json.ValueSpan)
        : Encoding.UTF8.GetString(_json.ValueSpan[..60]) + "…";

    private readonly InvalidDataException Twice(string name, string field) => Broken(_path, name, $"has its {field} twice");

    private readonly InvalidDataException Missing(string name, string field) => Broken(_path, name, $"has no {field}");
}
