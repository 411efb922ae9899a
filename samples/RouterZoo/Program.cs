// Trains the same small model on handwritten digits with every kind of router, under the same budget; prints one table, and draws how each
// router spread the load over time.
//
//     dotnet run -c Release --project samples/RouterZoo -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using Moe.Training;
using QuickStart;
using RouterZoo;
using Spectre.Console;

const int Ok = 0, Failed = 1, BadUsage = 2, Interrupted = 130;

var epochs = new Option<int>("--epochs") { Description = "How often each model goes through its training images.", DefaultValueFactory = _ => 15 };
var seeds = new Option<int>("--seeds") { Description = "How often each router is trained, from other first weights each time.", DefaultValueFactory = _ => 3 };
var only = new Option<string[]>("--only") { Description = "Routers to train, by parts of their names; all when absent.", AllowMultipleArgumentsPerToken = true };
var output = new Option<DirectoryInfo>("--out") { Description = "Folder for the picture.", DefaultValueFactory = _ => new DirectoryInfo("out/router-zoo") };
var command = new RootCommand("Trains the same small model with every kind of router, and compares accuracy, load and speed.") { epochs, seeds, only, output };
command.SetAction(parsed => Run(parsed.GetValue(epochs), parsed.GetValue(seeds), parsed.GetValue(only) ?? [], parsed.GetValue(output)!.FullName));

var parsed = command.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(BadUsage, parsed.Errors.Select(error => error.Message)) : parsed.Invoke();

static int Run(int epochs, int seeds, string[] only, string output)
{
    if (epochs is < 1 or > 1000)
        return Fail(BadUsage, [$"--epochs ({epochs}) must lie between 1 and 1000."]);
    if (seeds is < 1 or > 100)
        return Fail(BadUsage, [$"--seeds ({seeds}) must lie between 1 and 100."]);
    var unknown = only.Where(part => !Zoo.Animals.Any(animal => IsMeant(animal, part))).ToArray();
    if (unknown.Length > 0)
        return Fail(BadUsage, [$"--only ({string.Join("; ", unknown)}) must be parts of these names: {string.Join("; ", Zoo.Animals.Select(animal => animal.Name))}."]);
    var animals = Zoo.Animals.Where(animal => only.Length == 0 || only.Any(part => IsMeant(animal, part))).ToArray();

    using var cancellation = new CancellationTokenSource();
    ConsoleCancelEventHandler stop = (_, pressed) =>
    {
        // The first Ctrl+C ends training between two steps, the second the process.
        pressed.Cancel = !cancellation.IsCancellationRequested;
        cancellation.Cancel();
    };
    Console.CancelKeyPress += stop;
    try
    {
        Directory.CreateDirectory(output);
        var digits = Digits.Load(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));
        var outcomes = animals.Select(animal => Keeper.Train(animal, digits, epochs, seeds, cancellation.Token)).ToArray();
        Report.Print(outcomes);
        Console.WriteLine($"\nwrote {Path.GetRelativePath(Environment.CurrentDirectory, LoadPlot.Save(outcomes, Path.Combine(output, "load-over-time.png")))}");
        return Ok;
    }
    catch (OperationCanceledException)
    {
        Console.WriteLine("Stopped.");
        return Interrupted;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NonFiniteTrainingException)
    {
        return Fail(Failed, [exception.Message]);
    }
    finally
    {
        Console.CancelKeyPress -= stop;
    }
}

static bool IsMeant(Animal animal, string part) => animal.Name.Contains(part, StringComparison.OrdinalIgnoreCase);

static int Fail(int code, IEnumerable<string> messages)
{
    foreach (var message in messages)
        Console.Error.WriteLine($"Error: {message}");
    return code;
}
