// Runs layers of all kinds through forward, backward and a training step on one device, and compares with the CPU. Prints a line a check.
//
//     dotnet run -c Release --project tests/Moe.Smoke -- --help

using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using System.Text.Json;
using Moe.Smoke;
using TorchSharp;

const int Ok = 0, Failed = 1, CannotRun = 2;

var deviceName = new Option<string?>("--device") { Description = "cpu or cuda; cuda where there is one when absent." };
var json = new Option<FileInfo?>("--json") { Description = "File for the checks, with hardware and versions." };
var command = new RootCommand("Says whether mixtures of experts work on a device: forward, backward, a training step, parity with the CPU, the same bits twice.") { deviceName, json };
deviceName.AcceptOnlyFromAmong("cpu", "cuda");
command.SetAction(parsed => Run(parsed.GetValue(deviceName), parsed.GetValue(json)));

var parsed = command.Parse(args);
return parsed.Action is ParseErrorAction ? Fail(parsed.Errors.Select(error => error.Message)) : parsed.Invoke();

static int Run(string? deviceName, FileInfo? json)
{
    try
    {
        // TorchSharp itself would not say what the loader missed.
        NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, null);
    }
    catch (DllNotFoundException exception)
    {
        return Fail([$"libtorch cannot be loaded. {exception.Message}"]);
    }

    var machine = Machine.Here();
    if (deviceName == "cuda" && !machine.CudaAvailable)
        return Fail([$"--device (cuda): the libtorch in '{machine.LibtorchFolder}' sees no CUDA device."]);
    var device = deviceName ?? (machine.CudaAvailable ? "cuda" : "cpu");
    Console.WriteLine($"{machine}\n\nchecks on {device}:");

    var checks = new List<Check>();
    foreach (var check in Checks.On(new torch.Device(device)))
    {
        Console.WriteLine($"{(check.Passed ? "ok    " : "FAILED")}  {check.Name}: {check.Detail}");
        checks.Add(check);
    }
    var failed = checks.Count(check => !check.Passed);
    Console.WriteLine($"\n{checks.Count - failed} passed, {failed} failed");

    if (json is not null)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };
        File.WriteAllText(json.FullName, JsonSerializer.Serialize(new { device, machine, passed = checks.Count - failed, failed, checks }, options) + "\n");
    }
    return failed == 0 ? Ok : Failed;
}

static int Fail(IEnumerable<string> messages)
{
    foreach (var message in messages)
        Console.Error.WriteLine($"Error: {message}");
    return CannotRun;
}
