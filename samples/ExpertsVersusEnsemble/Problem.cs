using System.Globalization;
using MixtureOfRegressions;
using Moe.Classical;
using static TorchSharp.torch;

namespace ExpertsVersusEnsemble;

/// <summary>Rows, what they should give, and which of them are learned from and which are judged, once or fold by fold.</summary>
internal sealed record Problem(FitData Data, IReadOnlyList<string> Names, IReadOnlyList<string> Classes, IReadOnlyList<(long[] Train, long[] Test)> Splits)
{
    public static Problem Load(Settings settings)
    {
        var table = Table.Load(settings.Data);
        string?[] others = [settings.Response, settings.FoldColumn, settings.SplitColumn, .. settings.Ignore];
        foreach (var name in others)
            _ = name is null ? [] : table.Text(name);
        string[] inputs = [.. table.Names.Except(others.OfType<string>())];
        if (inputs.Length == 0)
            throw new InvalidDataException($"{table.File} has no column left to learn from.");
        var splits = SplitsOf(settings, table);
        if (!settings.IsClassification)
            return new Problem(new FitData(table.Matrix(inputs), Response.Real(table.Column(settings.Response))), inputs, [], splits);

        var labels = table.Text(settings.Response);
        string[] classes = [.. labels.Distinct().OrderBy(label => double.TryParse(label, CultureInfo.InvariantCulture, out var number) ? number : double.MaxValue).ThenBy(label => label, StringComparer.Ordinal)];
        if (classes.Length < 2)
            throw new InvalidDataException($"{settings.Response} of {table.File} has {classes.Length} class; there must be at least 2.");
        var response = Response.Class(tensor(labels.Select(label => (double)Array.IndexOf(classes, label)).ToArray()), classes.Length);
        return new Problem(new FitData(table.Matrix(inputs), response), inputs, classes, splits);
    }

    public FitData Take(long[] rows) => Data.Select(tensor(rows));

    private static IReadOnlyList<(long[] Train, long[] Test)> SplitsOf(Settings settings, Table table)
    {
        if (settings.SplitColumn is { } column)
        {
            var sides = table.Text(column);
            if (sides.FirstOrDefault(side => side is not ("train" or "test")) is { } other)
                throw new InvalidDataException($"{column} of {table.File} contains \"{other}\"; expected train or test.");
            return [(RowsWhere(sides, side => side == "train"), RowsWhere(sides, side => side == "test"))];
        }
        if (settings.FoldColumn is { } name)
        {
            var folds = table.Text(name);
            var ids = folds.Distinct().Order(StringComparer.Ordinal).ToArray();
            if (ids.Length < 2)
                throw new InvalidDataException($"{name} of {table.File} has {ids.Length} fold; there must be at least 2.");
            return [.. ids.Select(id => (RowsWhere(folds, fold => fold != id), RowsWhere(folds, fold => fold == id)))];
        }
        var random = Folds.Random(table.Rows, 5, settings.Seed);
        return [.. Enumerable.Range(0, 5).Select(fold => (random.TrainRows(fold).data<long>().ToArray(), random.TestRows(fold).data<long>().ToArray()))];
    }

    private static long[] RowsWhere(string[] cells, Func<string, bool> isWanted)
    {
        long[] rows = [.. Enumerable.Range(0, cells.Length).Where(row => isWanted(cells[row])).Select(row => (long)row)];
        return rows.Length > 0 ? rows : throw new InvalidDataException("There is a side of the split without rows: both train and test need some.");
    }
}
