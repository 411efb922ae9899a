using System.Text.Json;

namespace Moe.HuggingFace;

/// <summary>The text of a <c>config.json</c>, of which all bytes stay that are not meant.</summary>
internal static class SettingsText
{
    /// <summary>Takes a field out of the object, with its comma.</summary>
    /// <param name="json">The text in UTF-8, with or without the mark of its bytes' order.</param>
    /// <param name="field">A field of the outermost object; other objects may have one of this name.</param>
    /// <returns>The rest; all of it if there is no such field.</returns>
    public static byte[] Without(byte[] json, string field)
    {
        while (Find(json, field) is var (start, end))
            json = [.. json[..start], .. json[end..]];
        return json;
    }

    /// <summary>The first that there is: from the end of the field before it on, or up to the name of the one after it if it is the first.</summary>
    private static (int Start, int End)? Find(byte[] json, string field)
    {
        var mark = json.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        var reader = new Utf8JsonReader(json.AsSpan(mark));
        reader.Read();
        var isFirst = true;
        var before = mark + (int)reader.BytesConsumed;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (name, isMeant) = (mark + (int)reader.TokenStartIndex, reader.ValueTextEquals(field));
            reader.Skip();
            var end = mark + (int)reader.BytesConsumed;
            if (!isMeant)
            {
                (isFirst, before) = (false, end);
                continue;
            }
            reader.Read();
            return isFirst && reader.TokenType == JsonTokenType.PropertyName ? (name, mark + (int)reader.TokenStartIndex) : (before, end);
        }
        return null;
    }
}
