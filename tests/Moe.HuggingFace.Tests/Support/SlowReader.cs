using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Moe.HuggingFace.Tests;

/// <summary>The rules of the format once more, in another way: a tree of JSON, numbers of any length, and an owner for every byte.</summary>
internal static partial class SlowReader
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private static readonly Dictionary<string, int> Sizes = new()
    {
        ["F64"] = 8,
        ["I64"] = 8,
        ["F32"] = 4,
        ["I32"] = 4,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I16"] = 2,
        ["I8"] = 1,
        ["U8"] = 1,
        ["BOOL"] = 1,
        ["F8_E4M3"] = 1,
        ["F8_E5M2"] = 1,
    };

    /// <summary>The bytes of all tensors, or null if the file breaks a rule.</summary>
    public static Dictionary<string, byte[]>? Read(byte[] file)
    {
        try
        {
            return Tensors(file);
        }
        catch (Exception exception) when (exception is JsonException or DecoderFallbackException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static Dictionary<string, byte[]>? Tensors(byte[] file)
    {
        if (file.Length < 8)
            return null;
        var length = new BigInteger(file.AsSpan(0, 8), isUnsigned: true);
        if (length < 2 || length > 100_000_000 || length > file.Length - 8)
            return null;
        var text = Utf8.GetString(file, 8, (int)length).TrimEnd(' ');
        if (text is not ['{', .., '}'])
            return null;
        var data = file[(8 + (int)length)..];
        using var document = JsonDocument.Parse(text);

        var owners = new string?[data.Length];
        var tensors = new Dictionary<string, byte[]>();
        var hasMetadata = false;
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                if (hasMetadata || !IsMetadata(property.Value))
                    return null;
                hasMetadata = true;
            }
            else if (Tensor(property.Value, 8 + (int)length, data.Length) is not var (begin, end) || !tensors.TryAdd(property.Name, data[begin..end]))
            {
                return null;
            }
            else
            {
                for (var place = begin; place < end; place++)
                {
                    if (owners[place] is not null)
                        return null;
                    owners[place] = property.Name;
                }
            }
        }
        return Array.IndexOf(owners, null) < 0 && HasNoEmptyInside(document, owners.Length) ? tensors : null;
    }

    /// <summary>An empty tensor must lie between others, not in the middle of one.</summary>
    private static bool HasNoEmptyInside(JsonDocument document, int length)
    {
        var places = document.RootElement.EnumerateObject().Where(property => property.Name != "__metadata__")
            .Select(property => property.Value.GetProperty("data_offsets")).Select(offsets => (Begin: offsets[0].GetInt64(), End: offsets[1].GetInt64())).ToList();
        var ends = places.Where(place => place.End > place.Begin).Select(place => place.End).Append(0).ToHashSet();
        return places.TrueForAll(place => place.Begin <= length && ends.Contains(place.Begin));
    }

    private static bool IsMetadata(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            return false;
        var keys = new HashSet<string>();
        foreach (var property in value.EnumerateObject())
        {
            if (!keys.Add(property.Name) || property.Value.ValueKind != JsonValueKind.String)
                return false;
            _ = property.Value.GetString();
        }
        return true;
    }

    private static (int Begin, int End)? Tensor(JsonElement value, int dataStart, int dataLength)
    {
        var fields = value.EnumerateObject().Select(field => field.Name).Order(StringComparer.Ordinal).ToArray();
        if (!fields.SequenceEqual(["data_offsets", "dtype", "shape"]) || value.GetProperty("dtype").GetString() is not { } type || !Sizes.TryGetValue(type, out var size))
            return null;
        var shape = value.GetProperty("shape").EnumerateArray().Select(Number).ToArray();
        var offsets = value.GetProperty("data_offsets").EnumerateArray().Select(Number).ToArray();
        if (shape.Length > 64 || offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > dataLength)
            return null;
        var bytes = shape.Aggregate((BigInteger)size, (product, dimension) => product * dimension);
        var asIfNotEmpty = shape.Where(dimension => !dimension.IsZero).Aggregate((BigInteger)size, (product, dimension) => product * dimension);
        return asIfNotEmpty > long.MaxValue || bytes != offsets[1] - offsets[0] || !((dataStart + offsets[0]) % size).IsZero ? null : ((int)offsets[0], (int)offsets[1]);
    }

    private static BigInteger Number(JsonElement value)
    {
        var text = value.ValueKind == JsonValueKind.Number && Digits().IsMatch(value.GetRawText()) ? value.GetRawText() : throw new FormatException();
        var number = BigInteger.Parse(text, CultureInfo.InvariantCulture);
        return number <= long.MaxValue ? number : throw new FormatException();
    }

    [GeneratedRegex(@"\A[0-9]+\z")]
    private static partial Regex Digits();
}
