using System.Globalization;
using System.Text;
using static TorchSharp.torch;

namespace MixtureOfRegressions;

/// <summary>A CSV file with a header, cells in quotes or not. They are read as numbers when a column is asked for.</summary>
internal sealed class Table
{
    private readonly Dictionary<string, string[]> _columns;
    private readonly int[] _lines;

    private Table(string file, IReadOnlyList<string> names, Dictionary<string, string[]> columns, int[] lines)
    {
        (File, Names, _columns, _lines) = (file, names, columns, lines);
    }

    public string File { get; }

    public IReadOnlyList<string> Names { get; }

    public int Rows => _lines.Length;

    /// <summary>A column of numbers.</summary>
    /// <exception cref="InvalidDataException">There is no such column, or a cell is not a finite number.</exception>
    public double[] this[string name] => [.. Text(name).Select((cell, row) => double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
        ? number
        : throw new InvalidDataException($"Line {_lines[row]} of {File} has \"{cell}\" as {name}, which is not a finite number."))];

    /// <exception cref="InvalidDataException">A row has too few or too many cells, or a name is there twice.</exception>
    public static Table Load(string path)
    {
        var file = Path.GetFileName(path);
        var lines = System.IO.File.ReadAllLines(path).Select((text, index) => (Text: text, Number: index + 1)).Where(line => !string.IsNullOrWhiteSpace(line.Text)).ToArray();
        if (lines.Length < 2)
            throw new InvalidDataException($"{file} has {lines.Length} lines; expected a header and at least one row.");
        var names = Cells(lines[0].Text);
        if (names.Distinct().Count() != names.Length)
            throw new InvalidDataException($"{file} names a column more than once: {string.Join(", ", names)}.");
        var columns = names.ToDictionary(name => name, _ => new string[lines.Length - 1]);
        for (var row = 1; row < lines.Length; row++)
        {
            var cells = Cells(lines[row].Text);
            if (cells.Length != names.Length)
                throw new InvalidDataException($"Line {lines[row].Number} of {file} has {cells.Length} cells; the header has {names.Length}.");
            for (var column = 0; column < cells.Length; column++)
                columns[names[column]][row - 1] = cells[column];
        }
        return new Table(file, names, columns, [.. lines.Skip(1).Select(line => line.Number)]);
    }

    /// <summary>A column as it is written.</summary>
    /// <exception cref="InvalidDataException">There is no such column.</exception>
    public string[] Text(string name) => _columns.TryGetValue(name, out var column)
        ? column
        : throw new InvalidDataException($"{File} has no column \"{name}\"; it has {string.Join(", ", Names)}.");

    /// <summary>[n].</summary>
    public Tensor Column(string name) => tensor(this[name]);

    /// <summary>[n, names.Count].</summary>
    public Tensor Matrix(IReadOnlyList<string> names) => stack(names.Select(Column), 1);

    /// <summary>Commas in quotes do not separate; two quotes in quotes are one.</summary>
    private static string[] Cells(string line)
    {
        var cells = new List<string>();
        var cell = new StringBuilder();
        var isQuoted = false;
        for (var place = 0; place < line.Length; place++)
        {
            var sign = line[place];
            if (sign == ',' && !isQuoted)
            {
                cells.Add(cell.ToString().Trim());
                cell.Clear();
            }
            else if (sign != '"')
            {
                cell.Append(sign);
            }
            else if (isQuoted && place + 1 < line.Length && line[place + 1] == '"')
            {
                cell.Append(line[++place]);
            }
            else
            {
                isQuoted = !isQuoted;
            }
        }
        return [.. cells, cell.ToString().Trim()];
    }
}
