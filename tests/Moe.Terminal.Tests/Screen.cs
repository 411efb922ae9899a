using System.Globalization;
using System.Text.RegularExpressions;

namespace Moe.Terminal.Tests;

/// <summary>A terminal of unlimited height, as far as progress needs one: what a user would see after all that was written.</summary>
internal sealed partial class Screen
{
    private readonly List<string> _lines = [""];
    private int _row;

    public Screen(string output)
    {
        foreach (Match part in Parts().Matches(output))
        {
            if (part.Groups["code"].Success)
                Obey(part.Groups["code"].Value);
            else
                Type(part.Value);
        }
    }

    public bool CursorIsVisible { get; private set; } = true;

    public bool CursorWasHidden { get; private set; }

    /// <summary>Without what is empty at the end.</summary>
    public IReadOnlyList<string> Lines => [.. _lines.Take(_lines.FindLastIndex(line => line.Length > 0) + 1)];

    private void Type(string text)
    {
        foreach (var (piece, index) in text.ReplaceLineEndings("\n").Split('\n').Select((piece, index) => (piece, index)))
        {
            if (index > 0 && ++_row == _lines.Count)
                _lines.Add("");
            _lines[_row] += piece;
        }
    }

    private void Obey(string code)
    {
        switch (code[^1])
        {
            case 'F':
                _row -= int.Parse(code[..^1], CultureInfo.InvariantCulture);
                _row.Should().BeGreaterThanOrEqualTo(0, "nothing above the first line may be touched");
                break;
            case 'J':
                _lines.RemoveRange(_row, _lines.Count - _row);
                _lines.Add("");
                break;
            case 'l' or 'h':
                CursorIsVisible = code == "?25h";
                CursorWasHidden |= !CursorIsVisible;
                break;
            case 'm':
                break;
            default:
                throw new NotSupportedException($"ESC[{code}");
        }
    }

    [GeneratedRegex(@"\x1b\[(?<code>[?0-9;]*[A-Za-z])|[^\x1b]+")]
    private static partial Regex Parts();
}
