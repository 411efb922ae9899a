using System.Globalization;
using Spectre.Console;

namespace Moe.Benchmarks.Measured;

/// <summary>The results as people read them.</summary>
internal static class MeasuredTable
{
    // Wide enough for all columns where the output is a file.
    private const int Width = 220;

    public static void Print(IReadOnlyList<MeasuredRow> rows)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        console.Profile.Width = Math.Max(Width, console.Profile.Width);
        var table = new Table { Border = TableBorder.Rounded, Caption = new TableTitle("medians, and in brackets the quartiles") };
        foreach (var header in new[] { "case", "what" })
            table.AddColumn(header);
        table.AddColumn(new TableColumn("value").RightAligned());
        foreach (var header in new[] { "unit", "against" })
            table.AddColumn(header);
        foreach (var header in new[] { "its value", "ratio", "target" })
            table.AddColumn(new TableColumn(header).RightAligned());
        foreach (var row in rows)
            table.AddRow([.. Cells(row).Select(cell => Markup.Escape(cell))]);
        console.WriteLine();
        console.Write(table);
    }

    /// <summary>A row of the table; - where there is nothing to compare with.</summary>
    internal static IEnumerable<string> Cells(MeasuredRow row) =>
    [
        row.Case, row.What, $"{Short(row.Value)} [{Short(row.Low)}, {Short(row.High)}]", row.Unit,
        row.Against ?? "-", Short(row.AgainstValue), Short(row.Ratio), row.Target is { } target ? $"{Short(target)} {(row.Value <= target ? "met" : "missed")}" : "-",
    ];

    /// <summary>Three digits or more.</summary>
    private static string Short(double? number) => number is not { } value
        ? "-"
        : value.ToString(Math.Abs(value) switch { < 1 => "0.0000", < 10 => "0.00", < 100 => "0.0", _ => "0" }, CultureInfo.InvariantCulture);
}
