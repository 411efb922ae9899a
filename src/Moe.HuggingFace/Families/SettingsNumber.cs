using System.Text;
using System.Text.Json;

namespace Moe.HuggingFace;

/// <summary>Puts another whole number into the text of a <c>config.json</c>, of which all other bytes stay.</summary>
internal static class SettingsNumber
{
    /// <summary>Sets a number.</summary>
    /// <param name="json">The text in UTF-8, with or without the mark of its bytes' order. It has been read before.</param>
    /// <param name="fields">The fields that say the number, each with the objects that it lies in. Those that are there are set; the first is added, as the last of its object, where none is.</param>
    /// <param name="number">What they shall say.</param>
    /// <exception cref="InvalidDataException">There is neither a field nor an object to add one to.</exception>
    public static byte[] With(byte[] json, IReadOnlyList<string[]> fields, int number)
    {
        var mark = json.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        var text = json.AsSpan(mark);
        var edits = new List<Edit>();
        foreach (var field in fields)
            edits.AddRange(Edits(text, field, number));
        if (edits.Any(edit => edit.Start < edit.End))
            edits.RemoveAll(edit => edit.Start == edit.End);
        else
            edits = [.. Edits(text, fields[0], number).TakeLast(1)];
        if (edits.Count == 0)
            throw new InvalidDataException($"The settings have no {string.Join('.', fields[0][..^1])} to put {fields[0][^1]} into.");

        // From the last to the first, so that places stay what they were.
        foreach (var edit in edits.OrderByDescending(edit => edit.Start))
            json = [.. json[..(mark + edit.Start)], .. edit.Text, .. json[(mark + edit.End)..]];
        return json;
    }

    private static List<Edit> Edits(ReadOnlySpan<byte> text, ReadOnlySpan<string> path, int number)
    {
        var reader = new Utf8JsonReader(text);
        reader.Read();
        var edits = new List<Edit>();
        Collect(ref reader, text, path, number, edits);
        return edits;
    }

    /// <summary>What is to be done in the object that begins here, up to its end: values to be replaced, or one to be put in.</summary>
    private static void Collect(ref Utf8JsonReader reader, ReadOnlySpan<byte> text, ReadOnlySpan<string> path, int number, List<Edit> edits)
    {
        var before = edits.Count;
        var (end, gap) = ((int)reader.BytesConsumed, "");
        var isEmpty = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            gap = Encoding.UTF8.GetString(text[end..(int)reader.TokenStartIndex]).Replace(",", "", StringComparison.Ordinal);
            var isMeant = reader.ValueTextEquals(path[0]);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            if (isMeant && path.Length > 1 && reader.TokenType == JsonTokenType.StartObject)
                Collect(ref reader, text, path[1..], number, edits);
            else
                reader.Skip();
            (end, isEmpty) = ((int)reader.BytesConsumed, false);
            if (isMeant && path.Length == 1)
                edits.Add(new Edit(start, end, Encoding.UTF8.GetBytes($"{number}")));
        }
        if (path.Length == 1 && edits.Count == before)
            edits.Add(new Edit(end, end, Encoding.UTF8.GetBytes($"{(isEmpty ? "" : ",")}{gap}{JsonSerializer.Serialize(path[0])}: {number}")));
    }

    /// <summary>Bytes in the place of others; of none, where something is put in.</summary>
    private sealed record Edit(int Start, int End, byte[] Text);
}
