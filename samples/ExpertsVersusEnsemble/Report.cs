using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace ExpertsVersusEnsemble;

/// <summary>The table, on the console and as JSON.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static void Print(Problem problem, IReadOnlyList<Outcome> outcomes)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });

        // A file has no width, and a table that wraps cannot be read.
        if (Console.IsOutputRedirected)
            console.Profile.Width = 120;
        var judged = problem.Splits.Sum(split => split.Test.Length);
        var title = string.Create(CultureInfo.InvariantCulture, $"{judged:N0} rows, each judged by models that never saw it");
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle(title) };
        table.AddColumn(new TableColumn("model").NoWrap());
        table.AddColumn(new TableColumn("kind").NoWrap());
        string[] measures = outcomes[0].Rmse is null ? ["accuracy", "log-loss"] : ["RMSE"];
        foreach (var header in (string[])[.. measures, "seconds", "evaluations"])
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        foreach (var outcome in outcomes)
        {
            string[] results = outcome.Rmse is { } error ? [Text(error, "G4")] : [Text(outcome.Accuracy!.Value, "0.0000"), Text(outcome.LogLoss!.Value, "0.0000")];
            table.AddRow([outcome.Name, outcome.Kind, .. results, Text(outcome.Seconds, "0.0"), Text(outcome.EvaluationsPerPrediction, "0.##")]);
        }
        table.Caption = new TableTitle("Seconds: all fits that the model needs, and its answers. Evaluations: models asked for one answer.");
        console.Write(table);
    }

    public static void Save(string path, IReadOnlyList<Outcome> outcomes) => File.WriteAllText(path, JsonSerializer.Serialize(new { Results = outcomes }, Layout));

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
