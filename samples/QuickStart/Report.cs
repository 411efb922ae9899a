using System.Globalization;
using Spectre.Console;

namespace QuickStart;

/// <summary>The tables.</summary>
internal static class Report
{
    public static void Print(IReadOnlyList<Outcome> outcomes, Routes routes)
    {
        AnsiConsole.WriteLine();
        AnsiConsole.Write(Comparison(outcomes));
        AnsiConsole.WriteLine();
        AnsiConsole.Write(ExpertsByDigit(routes));
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Balance of the load: busiest expert {routes.Report.MaxOverMean:0.00} times the mean, {routes.Report.DeadExperts.Count} never asked."));
    }

    private static Table Comparison(IReadOnlyList<Outcome> outcomes)
    {
        var best = outcomes.Max(outcome => outcome.Accuracy);
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle($"{outcomes[0].Images:N0} images, each judged by models that never saw it") };
        table.AddColumn("model");
        foreach (var header in new[] { "accuracy", "log-loss", "parameters", "active", "time" })
            table.AddColumn(new TableColumn(header).RightAligned());
        foreach (var outcome in outcomes)
        {
            table.AddRow(
                outcome.Name,
                outcome.Accuracy == best ? $"[bold green]{Text(outcome.Accuracy, "0.0000")}[/]" : Text(outcome.Accuracy, "0.0000"),
                Text(outcome.LogLoss, "0.0000"),
                Text(outcome.Parameters, "N0"),
                Text(outcome.ActiveParameters, "N0"),
                Text(outcome.Seconds, "0.0") + " s");
        }
        return table;
    }

    private static Table ExpertsByDigit(Routes routes)
    {
        var table = new Table
        {
            Border = TableBorder.Rounded,
            Title = new TableTitle("Who answers for which digit: mean weight given by the gate, in %"),
            Caption = new TableTitle($"the mixture of fold 1, on the {routes.Rows.Length} images it never saw"),
        };
        table.AddColumn(new TableColumn("expert").RightAligned());
        table.AddColumn(new TableColumn("load").RightAligned());
        for (var digit = 0; digit < Digits.Classes; digit++)
            table.AddColumn(new TableColumn(Text(digit, "0")).RightAligned());
        foreach (var expert in routes.ExpertsInOrder)
            table.AddRow([Text(expert, "0"), Text(routes.Report.Share[expert] * 100, "0.0") + " %", .. routes.ByDigit[expert].Select(Cell)]);
        return table;
    }

    /// <summary>What is next to nothing is left out, what is most stands out.</summary>
    private static string Cell(double weight)
    {
        var percent = Text(weight * 100, "0");
        return weight < 0.005 ? "" : weight < 0.1 ? $"[grey]{percent}[/]" : weight < 0.4 ? percent : $"[bold green]{percent}[/]";
    }

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
