using System.Globalization;
using Spectre.Console;

namespace RouterZoo;

/// <summary>The table.</summary>
internal static class Report
{
    public static void Print(IReadOnlyList<Outcome> outcomes)
    {
        // A file has no width, and a table that wraps cannot be read.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 120;
        var seeds = outcomes[0].Accuracies.Length;
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle($"The same model with every router ({seeds} seed{(seeds == 1 ? "" : "s")}, accuracy on images never seen)") };
        table.AddColumn(new TableColumn("router").NoWrap());
        foreach (var header in new[] { "accuracy", "load CV", "entropy", "dropped", "rows/token", "tokens/s", "causal" })
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        foreach (var outcome in outcomes)
        {
            table.AddRow(
                outcome.Name,
                Text(outcome.Accuracies.Average(), "0.0000") + (seeds == 1 ? "" : $" ± {Text(outcome.Spread, "0.0000")}"),
                Text(outcome.CoefficientOfVariation, "0.00"),
                Text(outcome.Entropy, "0.00"),
                Text(100 * outcome.Dropped, "0.0") + " %",
                Text(outcome.RowsPerToken, "0.00"),
                Text(outcome.TokensPerSecond, "N0"),
                outcome.IsCausal ? "yes" : "no");
        }
        table.Caption = new TableTitle(
            string.Create(CultureInfo.InvariantCulture, $"±: standard deviation over seeds. Rows/token: what experts compute for a token. Load CV and entropy (at most {Math.Log(Zoo.Experts):0.00}, with null experts {Math.Log(Zoo.Experts + 2):0.00}) on the test images."));
        AnsiConsole.WriteLine();
        AnsiConsole.Write(table);
    }

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
