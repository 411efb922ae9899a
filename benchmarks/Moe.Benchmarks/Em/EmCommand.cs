using System.CommandLine;
using Moe.Benchmarks.Measured;
using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Em;

/// <summary>What EM costs: an iteration against the least it must do, rows against fewer rows, threads against one, learners against the whole.</summary>
internal static class EmCommand
{
    public const string Name = "em";

    public static Command Make(string[] args)
    {
        var json = new Option<string?>("--json") { Description = "File for the results, an array of objects. It appears only when all cases are done." };
        var cases = new Option<string[]>("--cases")
        {
            Description = $"Cases to run, by parts of their ids ({EmCase.All[0].Id}), in which * stands for anything; all when absent. 'smoke' are tiny fits that take seconds.",
            AllowMultipleArgumentsPerToken = true,
        };
        var seconds = new Option<double>("--seconds") { Description = "Time for the rounds of a case; there are at least three.", DefaultValueFactory = _ => 3 };
        var keep = new Option<bool>("--keep-environment") { Description = $"Do not start again with {MeasuringEnvironment.Summary}." };
        var command = new Command(Name, "Time the fits of Moe.Classical by EM, and what they need of memory.") { json, cases, seconds, keep };
        command.SetAction(parsed => Run(args, parsed.GetValue(json), parsed.GetValue(cases) ?? [], parsed.GetValue(seconds), parsed.GetValue(keep)));
        return command;
    }

    private static int Run(string[] args, string? json, string[] patterns, double seconds, bool keep)
    {
        if (seconds is not (> 0 and <= 600))
            return Commands.Fail(Commands.BadUsage, [$"--seconds ({seconds}) must lie above 0 and at most at 600."]);
        var cases = EmCase.Matching(patterns);
        if (cases.Count == 0)
            return Commands.Fail(Commands.BadUsage, [$"--cases ({string.Join(' ', patterns)}) matches none of: {string.Join(", ", EmCase.All.Select(row => row.Id))}."]);
        if (!keep && MeasuringEnvironment.StartAgain(args) is { } code)
            return code;
        return MeasuredRun.Of(json, cases, (own, cancellation) => own.Measure(seconds, cancellation));
    }
}
