using System.Globalization;
using System.Text;

namespace Moe.HuggingFace;

/// <summary>Strings of JSON written character for character as the reference tools write them, so that files come out with the same bytes.</summary>
internal static class JsonText
{
    /// <summary>Appends a quoted string.</summary>
    /// <param name="json">To this.</param>
    /// <param name="text">What is in the quotes.</param>
    /// <param name="ascii">Whether all but plain ASCII is escaped, as Python does by default; Rust escapes only what JSON demands.</param>
    public static StringBuilder AppendQuoted(this StringBuilder json, string text, bool ascii = false)
    {
        json.Append('"');
        foreach (var character in text)
        {
            _ = character switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.AppendEscape(character),
                > '~' when ascii => json.AppendEscape(character),
                _ => json.Append(character),
            };
        }
        return json.Append('"');
    }

    private static StringBuilder AppendEscape(this StringBuilder json, char character) =>
        json.Append("\\u").Append(((int)character).ToString("x4", CultureInfo.InvariantCulture));
}
