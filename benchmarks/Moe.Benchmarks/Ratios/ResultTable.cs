using System.Globalization;
using Spectre.Console;

namespace Moe.Benchmarks.Ratios;

/// <summary>The results as people read them.</summary>
internal static class ResultTable
{
    // Wide enough for all columns where the output is a file.
    private const int Width = 240;

    /// <summary>A row, as soon as it is done.</summary>
    public static string Line(RowResult result)
    {
        var row = result.ToRow();
        return string.Create(CultureInfo.InvariantCulture,
            $"{result.Row.Id}: ours {Short(row.OursMs)} ms, {row.RatioToFloor:0.00} of the floor, {row.RatioToDense:0.00} of dense, {row.RatioToLoop:0.00} of the loop; {result.Rounds} rounds; ours and loop agree to {result.Difference:0.0e0}");
    }

    public static void Print(IReadOnlyList<RowResult> results)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        console.Profile.Width = Math.Max(Width, console.Profile.Width);
        foreach (var layer in results.GroupBy(result => result.Row.Layer))
        {
            console.WriteLine();
            console.Write(TableOf(layer.Key, layer));
        }
    }

    private static Table TableOf(LayerShape layer, IEnumerable<RowResult> results)
    {
        var table = new Table
        {
            Border = TableBorder.Rounded,
            Title = new TableTitle($"{layer.Name}: {layer.Experts} experts, top-{layer.TopK}, width {layer.Hidden}, hidden width {layer.Ffn}"),
            Caption = new TableTitle("milliseconds: median, and in brackets the quartiles; peaks beyond parameters and input"),
        };
        foreach (var header in new[] { "tokens", "type", "pass" })
            table.AddColumn(header);
        foreach (var header in new[] { "ours", "dense", "loop", "textbook", "floor (bound by)", "/ dense", "/ loop", "/ floor", "hit", "peak MB", "dense MB", "managed B", "rounds" })
            table.AddColumn(new TableColumn(header).RightAligned());
        foreach (var result in results)
            table.AddRow([.. Cells(result).Select(cell => Markup.Escape(cell))]);
        return table;
    }

    /// <summary>A row of the table; - where a peak was not measured.</summary>
    internal static IEnumerable<string> Cells(RowResult result)
    {
        var row = result.ToRow();
        return
        [
            Text(row.Tokens, "0"), row.Dtype, row.Pass,
            Spread(result.Ours), Spread(result.Dense), Spread(result.Loop), result.Textbook is { } textbook ? Spread(textbook) : "",
            $"{Short(row.FloorMs)} ({result.Floor.Bound})",
            Text(row.RatioToDense, "0.00"), Text(row.RatioToLoop, "0.00"), Text(row.RatioToFloor, "0.00"),
            Text(result.ExpertsHit, "0.0"), Megabytes(row.PeakBytes), Megabytes(row.PeakBytesDense), Text(row.ManagedBytesPerCall, "0"), Text(result.Rounds, "0"),
        ];
    }

    private static string Spread(Quartiles times) => $"{Short(times.Median)} [{Short(times.Low)}, {Short(times.High)}]";

    private static string Megabytes(long? bytes) => bytes is { } count ? Text(count / 1e6, "0.0") : "-";

    /// <summary>Three digits.</summary>
    private static string Short(double milliseconds) => Text(milliseconds, milliseconds < 1 ? "0.000" : milliseconds < 10 ? "0.00" : milliseconds < 100 ? "0.0" : "0");

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
