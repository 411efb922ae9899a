// Trains a mixture of experts on handwritten digits, next to a single network with the same active parameters and an ensemble of the same
// experts; prints who wins, and which expert answers for which digit; draws pictures of it.
//
//     dotnet run -c Release --project samples/QuickStart -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using Moe.Training;
using QuickStart;
using Spectre.Console;

const int Ok = 0, Failed = 1, BadUsage = 2, Interrupted = 130;

var experts = new Option<int>("--experts") { Description = "Experts in the mixture, and in the ensemble.", DefaultValueFactory = _ => 8 };
var topK = new Option<int>("--top-k") { Description = "Experts that each image is sent to.", DefaultValueFactory = _ => 2 };
var lambda = new Option<double>("--lambda") { Description = "Weight of the load balance in the objective.", DefaultValueFactory = _ => 0.2 };
var epochs = new Option<int>("--epochs") { Description = "How often each model goes through its training images.", DefaultValueFactory = _ => 60 };
var folds = new Option<int>("--folds") { Description = "How many of the five folds to run.", DefaultValueFactory = _ => Digits.FoldCount };
var seed = new Option<int>("--seed") { Description = "Decides the first weights and the order of the images.", DefaultValueFactory = _ => 1 };
var device = new Option<string>("--device") { Description = "Where to train: cpu, cuda, cuda:1, ...", DefaultValueFactory = _ => "cpu" };
var output = new Option<DirectoryInfo>("--out") { Description = "Folder for pictures and checkpoints.", DefaultValueFactory = _ => new DirectoryInfo("out/quickstart") };
var resume = new Option<bool>("--resume") { Description = "Go on from the checkpoints in the folder, with the same options as before." };

var command = new RootCommand("Trains a mixture of experts on handwritten digits, and compares it with a single network and an ensemble.")
{
    experts, topK, lambda, epochs, folds, seed, device, output, resume,
};
command.SetAction(parsed => Run(new Settings(
    parsed.GetValue(experts), parsed.GetValue(topK), parsed.GetValue(lambda), parsed.GetValue(epochs), parsed.GetValue(folds),
    parsed.GetValue(seed), parsed.GetValue(device)!, parsed.GetValue(output)!.FullName, parsed.GetValue(resume))));

var parsed = command.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(BadUsage, parsed.Errors.Select(error => error.Message)) : parsed.Invoke();

static int Run(Settings settings)
{
    if (settings.Failures() is { Count: > 0 } failures)
        return Fail(BadUsage, failures);

    using var cancellation = new CancellationTokenSource();
    ConsoleCancelEventHandler stop = (_, pressed) =>
    {
        // The first Ctrl+C lets the trainer finish its step and write a checkpoint; the second ends the process at once.
        pressed.Cancel = !cancellation.IsCancellationRequested;
        cancellation.Cancel();
    };
    Console.CancelKeyPress += stop;
    try
    {
        Directory.CreateDirectory(settings.Out);
        var digits = Digits.Load(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));
        AnsiConsole.MarkupLineInterpolated($"[bold]{digits.Labels.Length:N0} handwritten digits[/], {settings.Experts} experts, top-{settings.TopK}, seed {settings.Seed}, on {settings.Device}");
        var (outcomes, routes) = Experiment.Run(settings, digits, cancellation.Token);
        Report.Print(outcomes, routes);
        Console.WriteLine();
        foreach (var picture in Plots.Save(settings.Out, outcomes, routes, digits))
            Console.WriteLine($"wrote {Path.GetRelativePath(Environment.CurrentDirectory, picture)}");
        return Ok;
    }
    catch (OperationCanceledException)
    {
        Console.WriteLine("Stopped. To go on from here, give the same options and --resume.");
        return Interrupted;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException or NonFiniteTrainingException)
    {
        return Fail(Failed, [exception.Message]);
    }
    finally
    {
        Console.CancelKeyPress -= stop;
    }
}

static int Fail(int code, IEnumerable<string> messages)
{
    foreach (var message in messages)
        Console.Error.WriteLine($"Error: {message}");
    return code;
}
