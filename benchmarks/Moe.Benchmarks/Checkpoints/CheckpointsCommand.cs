using System.CommandLine;
using Moe.Benchmarks.Measured;
using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Checkpoints;

/// <summary>What loading a published block costs, against reading its file.</summary>
internal static class CheckpointsCommand
{
    public const string Name = "checkpoints";

    public static Command Make()
    {
        var json = new Option<string?>("--json") { Description = "File for the results, an array of objects. It appears only when all cases are done." };
        var cases = new Option<string[]>("--cases")
        {
            Description = $"Cases to run, by parts of their ids ({CheckpointCase.All[0].Id}), in which * stands for anything; all when absent. 'smoke' is a tiny one.",
            AllowMultipleArgumentsPerToken = true,
        };
        var seconds = new Option<double>("--seconds") { Description = "Time for the rounds of a case; there are at least three.", DefaultValueFactory = _ => 5 };
        var folder = new Option<string>("--folder") { Description = "Where files of up to 400 MB may lie meanwhile.", DefaultValueFactory = _ => Path.GetTempPath() };
        var command = new Command(Name, "Time the loading of blocks by Moe.HuggingFace, and what it needs of memory.") { json, cases, seconds, folder };
        command.SetAction(parsed => Run(parsed.GetValue(json), parsed.GetValue(cases) ?? [], parsed.GetValue(seconds), parsed.GetValue(folder)!));
        return command;
    }

    // The allocator is left as everybody has it: memory for a block's weights is fresh, and its page faults are a part of loading.
    private static int Run(string? json, string[] patterns, double seconds, string folder)
    {
        if (seconds is not (> 0 and <= 600))
            return Commands.Fail(Commands.BadUsage, [$"--seconds ({seconds}) must lie above 0 and at most at 600."]);
        var cases = CheckpointCase.Matching(patterns);
        if (cases.Count == 0)
            return Commands.Fail(Commands.BadUsage, [$"--cases ({string.Join(' ', patterns)}) matches none of: {string.Join(", ", CheckpointCase.All.Select(row => row.Id))}."]);
        if (!Directory.Exists(folder))
            return Commands.Fail(Commands.BadUsage, [$"--folder ({folder}) is no folder."]);
        return MeasuredRun.Of(json, cases, (own, cancellation) => own.Measure(folder, seconds, cancellation));
    }
}
