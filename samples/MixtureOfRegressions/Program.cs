// Fits a mixture of regressions by EM to a table of numbers: each expert is a regression, and the gate says for each row how probable each expert is. Prints what a
// statistician expects, draws it, and writes it down as JSON.
//
//     dotnet run -c Release --project samples/MixtureOfRegressions -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using MixtureOfRegressions;

const int Ok = 0, Failed = 1, BadUsage = 2, Interrupted = 130;

var data = new Option<string>("--data") { Description = "A CSV file of numbers with a header. Without it: head acceleration after a motorcycle impact.", DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "data", "mcycle.csv") };
var response = new Option<string>("--response") { Description = "The column to explain.", DefaultValueFactory = _ => "y" };
var trials = new Option<string?>("--trials") { Description = "For binomial: the column with the number of trials; without it, 1 trial a row." };
var terms = new Option<string>("--terms") { Description = "What the experts see: columns, separated by commas; - for the intercept alone. Intercepts are added.", DefaultValueFactory = _ => "times" };
var gateTerms = new Option<string?>("--gate-terms") { Description = "What the gate sees, in the same form; without it, what the experts see." };
var experts = new Option<int>("--experts") { Description = "How many experts.", DefaultValueFactory = _ => 2 };
var family = new Option<string>("--family") { Description = "gaussian, poisson or binomial.", DefaultValueFactory = _ => "gaussian" };
var restarts = new Option<int>("--restarts") { Description = "How many starts, of which the best is kept.", DefaultValueFactory = _ => 50 };
var seed = new Option<int>("--seed") { Description = "Decides the starts.", DefaultValueFactory = _ => 1 };
var start = new Option<string?>("--start") { Description = "A CSV file with a header and one column an expert: each row's shares to start from. Then there are no other starts." };
var plot = new Option<string?>("--plot") { Description = "Where to draw the fit, as PNG." };
var json = new Option<string?>("--json") { Description = "Where to write the fit, as JSON." };

var command = new RootCommand("Fits a mixture of regressions by EM, and reports it as a statistician expects.")
{
    data, response, trials, terms, gateTerms, experts, family, restarts, seed, start, plot, json,
};
command.SetAction(parsed => Run(new Settings(
    parsed.GetValue(data)!, parsed.GetValue(response)!, parsed.GetValue(trials), Settings.Names(parsed.GetValue(terms)!),
    Settings.Names(parsed.GetValue(gateTerms) ?? parsed.GetValue(terms)!), parsed.GetValue(experts), parsed.GetValue(family)!, parsed.GetValue(restarts),
    parsed.GetValue(seed), parsed.GetValue(start), parsed.GetValue(plot), parsed.GetValue(json))));

var parsed = command.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(BadUsage, parsed.Errors.Select(error => error.Message)) : parsed.Invoke();

static int Run(Settings settings)
{
    if (settings.Failures() is { Count: > 0 } failures)
        return Fail(BadUsage, failures);

    using var cancellation = new CancellationTokenSource();
    ConsoleCancelEventHandler stop = (_, pressed) =>
    {
        // The first Ctrl+C ends the fit between two steps, the second the process.
        pressed.Cancel = !cancellation.IsCancellationRequested;
        cancellation.Cancel();
    };
    Console.CancelKeyPress += stop;
    try
    {
        var table = Table.Load(settings.Data);
        var fit = Fit.Run(settings, table, cancellation.Token);
        Console.WriteLine(fit.Mixture.Report);
        if (settings.Json is { } file)
            Console.WriteLine($"wrote {Written(file, path => JsonReport.Save(path, fit))}");
        if (settings.Plot is { } picture)
            Console.WriteLine($"wrote {Written(picture, path => Picture.Save(path, settings, table, fit))}");
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
