// The same models alone, in ensembles (averaging, voting, bagging, a forest, boosting, stacking) and as experts in mixtures, on the same folds: how good, how long, how
// many models asked for an answer, and who answers where.
//
//     dotnet run -c Release --project samples/ExpertsVersusEnsemble -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using ExpertsVersusEnsemble;
using Spectre.Console;

const int Ok = 0, Failed = 1, BadUsage = 2, Interrupted = 130;

var data = new Option<string?>("--data") { Description = "A CSV file with a header. Without it: handwritten digits." };
var response = new Option<string>("--response") { Description = "The column to predict.", DefaultValueFactory = _ => "y" };
var task = new Option<string?>("--task") { Description = "regression or classification; needed with --data." };
var foldColumn = new Option<string?>("--fold-column") { Description = "The column that says in which fold a row is judged. Without it and --split-column: five random folds." };
var splitColumn = new Option<string?>("--split-column") { Description = "The column that says train or test." };
var ignore = new Option<string?>("--ignore") { Description = "Columns to leave out, separated by commas." };
var experts = new Option<string?>("--experts") { Description = $"Experts, separated by commas. For regression: {string.Join(", ", Experts.For(false))}; for classification: {string.Join(", ", Experts.For(true))}." };
var seed = new Option<int>("--seed") { Description = "Decides all that is drawn.", DefaultValueFactory = _ => 1 };
var json = new Option<string?>("--json") { Description = "Where to write the table, as JSON." };
var output = new Option<string>("--out") { Description = "Folder for the picture.", DefaultValueFactory = _ => "out/experts-versus-ensemble" };

var command = new RootCommand("Compares models alone, in ensembles and as experts in mixtures, on the same folds.")
{
    data, response, task, foldColumn, splitColumn, ignore, experts, seed, json, output,
};
command.SetAction(parsed =>
{
    var given = parsed.GetValue(data);
    if (given is not null && parsed.GetValue(task) is null)
        return Fail(BadUsage, ["--task must be given with --data: regression or classification."]);
    var kind = parsed.GetValue(task) ?? "classification";
    var names = parsed.GetValue(experts) is { } text ? Settings.Names(text) : Experts.Defaults(kind == "classification");
    var fold = parsed.GetValue(foldColumn) ?? (given is null && parsed.GetValue(splitColumn) is null ? "fold" : null);
    return Run(new Settings(
        given ?? Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"), parsed.GetValue(response)!, kind, fold, parsed.GetValue(splitColumn),
        Settings.Names(parsed.GetValue(ignore)), names, parsed.GetValue(seed), parsed.GetValue(json), parsed.GetValue(output)!));
});

var parsed = command.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(BadUsage, parsed.Errors.Select(error => error.Message)) : parsed.Invoke();

static int Run(Settings settings)
{
    if (settings.Failures() is { Count: > 0 } failures)
        return Fail(BadUsage, failures);

    using var cancellation = new CancellationTokenSource();
    ConsoleCancelEventHandler stop = (_, pressed) =>
    {
        // The first Ctrl+C ends the contest between two steps of a fit, the second the process.
        pressed.Cancel = !cancellation.IsCancellationRequested;
        cancellation.Cancel();
    };
    Console.CancelKeyPress += stop;
    try
    {
        var problem = Problem.Load(settings);
        Console.WriteLine($"{Path.GetFileName(settings.Data)}: {problem.Data.Rows:N0} rows, {problem.Names.Count} inputs, {settings.Task}, experts {string.Join(", ", settings.Experts)}");
        var contest = new Contest(settings, problem);
        Watch(contest, cancellation.Token);
        Report.Print(problem, contest.Outcomes);
        Console.WriteLine($"\n{contest.Regions()}");
        if (settings.Json is { } file)
            Console.WriteLine($"wrote {Written(file, path => Report.Save(path, contest.Outcomes))}");
        Console.WriteLine($"wrote {Written(Path.Combine(settings.Out, "who-answers.png"), path => Picture.Save(path, settings, problem, contest))}");
        return Ok;
    }
    catch (OperationCanceledException)
    {
        Console.WriteLine("Stopped.");
        return Interrupted;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException or InvalidOperationException)
    {
        return Fail(Failed, [exception.Message]);
    }
    finally
    {
        Console.CancelKeyPress -= stop;
    }
}

// A live bar in a terminal, a line a step elsewhere.
static void Watch(Contest contest, CancellationToken cancellationToken)
{
    if (Console.IsOutputRedirected)
    {
        contest.Run(Console.Error.WriteLine, cancellationToken);
        return;
    }
    AnsiConsole.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()).Start(progress =>
    {
        var bar = progress.AddTask("starting", maxValue: contest.Steps);
        contest.Run(
            what =>
            {
                bar.Description = what;
                bar.Increment(1);
            },
            cancellationToken);
    });
}

static string Written(string path, Action<string> write)
{
    if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
        Directory.CreateDirectory(folder);
    write(path);
    return Path.GetRelativePath(Environment.CurrentDirectory, path);
}

static int Fail(int code, IEnumerable<string> messages)
{
    foreach (var message in messages)
        Console.Error.WriteLine($"Error: {message}");
    return code;
}
