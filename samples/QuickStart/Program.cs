// Trains a mixture of experts on handwritten digits, next to a single network with the same active parameters and an ensemble of the same
// experts; prints who wins, and which expert answers for which digit; draws pictures of it.
//
//     dotnet run -c Release --project samples/QuickStart -- --help

using System.CommandLine;
using System.CommandLine.Parsing;
using Moe.Training;
using QuickStart;
using Spectre.Console;
using static TorchSharp.torch;

const int Ok = 0, Failed = 1, Interrupted = 130;

var experts = new Option<int>("--experts") { Description = "Experts in the mixture, and in the ensemble.", DefaultValueFactory = _ => 8 };
var topK = new Option<int>("--top-k") { Description = "Experts that each image is sent to.", DefaultValueFactory = _ => 2 };
var lambda = new Option<double>("--lambda") { Description = "Weight of the load balance in the objective.", DefaultValueFactory = _ => 0.1 };
var epochs = new Option<int>("--epochs") { Description = "How often each model goes through its training images.", DefaultValueFactory = _ => 60 };
var folds = new Option<int>("--folds") { Description = "How many of the five folds to run.", DefaultValueFactory = _ => Digits.FoldCount };
var seed = new Option<int>("--seed") { Description = "Decides the first weights and the order of the images.", DefaultValueFactory = _ => 1 };
var device = new Option<string>("--device") { Description = "Where to train: cpu, cuda, cuda:1, ...", DefaultValueFactory = _ => "cpu" };
var output = new Option<DirectoryInfo>("--out") { Description = "Folder for pictures and checkpoints.", DefaultValueFactory = _ => new DirectoryInfo("out/quickstart") };
var resume = new Option<bool>("--resume") { Description = "Go on from the checkpoints in the folder, with the same options as before." };

Require(experts, value => value is >= 1 and <= 256, "must lie between 1 and 256");
Require(topK, value => value >= 1, "must be at least 1");
Require(lambda, value => value >= 0 && double.IsFinite(value), "must be 0 or more");
Require(epochs, value => value is >= 1 and <= 10_000, "must lie between 1 and 10000");
Require(folds, value => value is >= 1 and <= Digits.FoldCount, $"must lie between 1 and {Digits.FoldCount}");
Require(device, value => value == "cpu" || value == "cuda" || (value.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(value[5..], out var index) && index >= 0), "must be cpu, cuda or cuda:N");

var command = new RootCommand("Trains a mixture of experts on handwritten digits, and compares it with a single network and an ensemble.")
{
    experts, topK, lambda, epochs, folds, seed, device, output, resume,
};
command.Validators.Add(result =>
{
    // A value that cannot be read has its own message already; so has one that is out of range.
    if (!result.Errors.Any() && result.GetValue(topK) > result.GetValue(experts))
        result.AddError($"--top-k ({result.GetValue(topK)}) must be at most --experts ({result.GetValue(experts)}).");
});
command.SetAction(parsed => Run(new Settings(
    parsed.GetValue(experts), parsed.GetValue(topK), parsed.GetValue(lambda), parsed.GetValue(epochs), parsed.GetValue(folds),
    parsed.GetValue(seed), new Device(parsed.GetValue(device)!), parsed.GetValue(output)!.FullName, parsed.GetValue(resume))));
return command.Parse(args).Invoke();

static int Run(Settings settings)
{
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
        if (settings.Device.type == TorchSharp.DeviceType.CUDA && settings.Device.index >= cuda.device_count())
            return Fail($"--device {settings.Device}: there are {cuda.device_count()} CUDA devices. See the README for the CUDA builds.");

        var digits = Digits.Load(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));
        AnsiConsole.MarkupLineInterpolated($"[bold]{digits.Labels.Length:N0} handwritten digits[/], {settings.Experts} experts, top-{settings.TopK}, seed {settings.Seed}, on {settings.Device}");
        var (outcomes, routes) = Experiment.Run(settings, digits, cancellation.Token);
        Report.Print(outcomes, routes);
        AnsiConsole.WriteLine();
        foreach (var picture in Plots.Save(settings.Out, outcomes, routes, digits))
            AnsiConsole.WriteLine($"wrote {Path.GetRelativePath(Environment.CurrentDirectory, picture)}");
        return Ok;
    }
    catch (OperationCanceledException)
    {
        AnsiConsole.WriteLine("Stopped. To go on from here, give the same options and --resume.");
        return Interrupted;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException or NonFiniteTrainingException)
    {
        return Fail(exception.Message);
    }
    finally
    {
        Console.CancelKeyPress -= stop;
    }
}

static int Fail(string message)
{
    Console.Error.WriteLine($"Error: {message}");
    return Failed;
}

static void Require<T>(Option<T> option, Func<T, bool> rule, string text) => option.Validators.Add(result =>
{
    // GetValueOrDefault would throw on a value that cannot be read, which has its own message.
    if (!result.Errors.Any() && result.GetValue(option) is { } value && !rule(value))
        result.AddError($"{option.Name} ({value}) {text}.");
});
