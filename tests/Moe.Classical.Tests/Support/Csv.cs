using System.Globalization;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>A table of numbers with a header, from the fixtures.</summary>
internal sealed class Csv
{
    private readonly Dictionary<string, double[]> _columns = [];

    private Csv(IReadOnlyList<string> names) => Names = names;

    public IReadOnlyList<string> Names { get; }

    public double[] this[string name] => _columns[name];

    public static Csv Read(params string[] path)
    {
        var lines = File.ReadAllLines(Path.Combine([AppContext.BaseDirectory, "Fixtures", .. path]));
        var names = lines[0].Split(',').Select(name => name.Trim('"')).ToArray();
        var rows = lines.Skip(1).Where(line => line.Length > 0).Select(line => line.Split(',')).ToArray();
        var table = new Csv(names);
        for (var column = 0; column < names.Length; column++)
            table._columns[names[column]] = [.. rows.Select(row => double.Parse(row[column].Trim('"'), CultureInfo.InvariantCulture))];
        return table;
    }

    /// <summary>One column, [n].</summary>
    public Tensor Column(string name) => tensor(this[name]);

    /// <summary>Columns side by side, [n, names.Length].</summary>
    public Tensor Matrix(params string[] names) => stack(names.Select(Column), 1);
}
