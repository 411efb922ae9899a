// Takes the mixture-of-experts block of a published checkpoint, and runs it, looks at it, converts it, or shows where it sends tokens.
//
//     dotnet run -c Release --project samples/HuggingFaceBlock -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using HuggingFaceBlock;
using TorchSharp;

const int Ok = 0, Failed = 1, Interrupted = 130;

var checkpoint = new Option<string>("--checkpoint") { Description = "A folder with config.json and the tensors: model.safetensors, shards with their index, weights.safetensors, or a single file of another name.", Required = true };
var layer = new Option<string?>("--layer") { Description = "The layer whose block is meant, or the block's name where inspect shows names; without it, the first block." };
var input = new Option<string>("--input") { Description = "A safetensors file with input [.., T, D], and for run grad_output if gradients are wanted.", Required = true };
var output = new Option<string>("--output") { Description = "Where to write.", Required = true };
var type = new Option<string?>("--dtype") { Description = "float32 or bfloat16; without it, the type of the input." };
var layout = new Option<string>("--to") { Description = "per-expert (one tensor an expert) or fused (all experts in one).", Required = true };
var decode = new Option<bool>("--decode") { Description = "Write what is quantised, MXFP4 and FP8, in BFloat16, to be trained and saved." };
var picture = new Option<string>("--plot") { Description = "Where to draw the loads, as PNG.", DefaultValueFactory = _ => Path.Combine("out", "expert-loads.png") };
type.AcceptOnlyFromAmong("float32", "bfloat16");
layout.AcceptOnlyFromAmong("per-expert", "fused");
CommandLine.RequireText(checkpoint, layer, input, output, picture);

var run = new Command("run", "Computes the block's output for an input, its routing, and with grad_output all gradients.") { checkpoint, layer, input, output, type };
run.SetAction(parsed => Do(cancellation => RunCommand.Execute(
    parsed.GetValue(checkpoint)!, parsed.GetValue(layer), parsed.GetValue(input)!, parsed.GetValue(output)!, parsed.GetValue(type), cancellation)));
var inspect = new Command("inspect", "Says what blocks a checkpoint has.") { checkpoint };
inspect.SetAction(parsed => Do(cancellation => InspectCommand.Execute(parsed.GetValue(checkpoint)!, cancellation)));
var convert = new Command("convert", "Writes a checkpoint in the other layout; every other file is copied.") { checkpoint, layout, output, decode };
convert.SetAction(parsed => Do(cancellation => ConvertCommand.Execute(
    parsed.GetValue(checkpoint)!, parsed.GetValue(layout)!, parsed.GetValue(output)!, parsed.GetValue(decode), cancellation)));
var route = new Command("route", "Shows how many tokens of an input each expert gets.") { checkpoint, layer, input, picture };
route.SetAction(parsed => Do(cancellation => RouteCommand.Execute(
    parsed.GetValue(checkpoint)!, parsed.GetValue(layer), parsed.GetValue(input)!, parsed.GetValue(picture)!, cancellation)));

var parsed = new RootCommand("The mixture-of-experts blocks of Hugging Face checkpoints: run, inspected, converted, watched.") { run, inspect, convert, route }.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(CommandLine.Errors(parsed)) : parsed.Invoke();

// No asynchronous action: System.CommandLine ends the process two seconds after Ctrl+C, finished or not, and sees it only once an action waits.
static int Do(Action<CancellationToken> action)
{
    using var cancellation = new CancellationTokenSource();
    ConsoleCancelEventHandler stop = (_, pressed) =>
    {
        // The first Ctrl+C ends the command, the second the process.
        pressed.Cancel = !cancellation.IsCancellationRequested;
        cancellation.Cancel();
    };
    Console.CancelKeyPress += stop;
    try
    {
        using var scope = torch.NewDisposeScope();
        action(cancellation.Token);
        return Ok;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine("Stopped.");
        return Interrupted;
    }
    catch (Exception exception) when (Problem.Of(exception) is { } message)
    {
        return Fail(message);
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
