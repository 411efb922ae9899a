using System.CommandLine;
using Moe.Benchmarks.Ratios.Contenders;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>The layer against a dense one, the published loop, the textbook's loop and the floor of the machine.</summary>
internal static class RatiosCommand
{
    public const string Name = "ratios";

    public static Command Make(string[] args)
    {
        var json = new Option<string?>("--json") { Description = "File for the results, an array of objects. It appears only when all rows are done." };
        var cases = new Option<string[]>("--cases")
        {
            Description = $"Rows to run, by parts of their ids ({RatioCase.All[0].Id}), in which * stands for anything; all when absent. 'smoke' is a tiny layer that takes seconds.",
            AllowMultipleArgumentsPerToken = true,
        };
        var seconds = new Option<double>("--seconds") { Description = "Time for the rounds of a row; there are at least five.", DefaultValueFactory = _ => 3 };
        var threads = new Option<int?>("--threads") { Description = "Threads of torch; its own choice when absent." };
        var device = new Option<string>("--device") { Description = "Where to measure: cpu, cuda or cuda:N. Peaks of memory are those of the CPU only.", DefaultValueFactory = _ => MeasuringDevice.Cpu.Name };
        var keep = new Option<bool>("--keep-environment") { Description = $"Do not start again with {MeasuringEnvironment.Summary}." };
        var command = new Command(Name, "Compare the layer with a dense one of equal active parameters, with loops over experts and tokens, and with what the machine can do.")
        {
            json, cases, seconds, threads, device, keep,
        };
        command.SetAction(parsed => Run(
            args, parsed.GetValue(json), parsed.GetValue(cases) ?? [], parsed.GetValue(seconds), parsed.GetValue(threads), parsed.GetValue(device)!, parsed.GetValue(keep)));
        return command;
    }

    private static int Run(string[] args, string? json, string[] patterns, double seconds, int? threads, string deviceName, bool keep)
    {
        if (seconds is not (> 0 and <= 600))
            return Commands.Fail(Commands.BadUsage, [$"--seconds ({seconds}) must lie above 0 and at most at 600."]);
        if (threads is not (null or (>= 1 and <= 1024)))
            return Commands.Fail(Commands.BadUsage, [$"--threads ({threads}) must lie between 1 and 1024."]);
        if (MeasuringDevice.Parse(deviceName) is not { } device)
            return Commands.Fail(Commands.BadUsage, [$"--device ({deviceName}) must be cpu, cuda or cuda:N."]);
        var rows = RatioCase.Matching(patterns);
        if (rows.Count == 0)
            return Commands.Fail(Commands.BadUsage, [$"--cases ({string.Join(' ', patterns)}) matches none of: {string.Join(", ", RatioCase.All.Select(row => row.Id))}."]);
        if (!keep && MeasuringEnvironment.StartAgain(args) is { } code)
            return code;
        // In the process that measures: the question alone takes memory of the device.
        if (device.WhyMissing() is { } missing)
            return Commands.Fail(Commands.BadUsage, [$"--device ({deviceName}): {missing}"]);

        return Commands.Guarded(cancellation =>
        {
            using var file = json is null ? null : new ResultFile(json);
            if (threads is { } count)
                set_num_threads(count);
            Console.WriteLine(MeasuringEnvironment.Describe(device));
            var results = Measure(rows, device, seconds, PeakMemory.Find(device, cancellation), cancellation);
            ResultTable.Print(results);
            file?.Write(RatioRow.ToJson(results.Select(result => result.ToRow())));
        });
    }

    private static List<RowResult> Measure(IReadOnlyList<RatioCase> rows, MeasuringDevice device, double seconds, PeakMemory? memory, CancellationToken cancellation)
    {
        var results = new List<RowResult>();
        // Rows of the same layer and type share the weights, which take seconds to draw.
        foreach (var group in rows.GroupBy(row => (row.Layer, row.Type)))
        {
            using var lineup = new Lineup(group.Key.Layer, group.Key.Type, device.Torch);
            foreach (var row in group)
            {
                var result = new RowTimer(row, lineup, device, seconds, cancellation).Measure();
                if (memory is not null)
                    result = memory.AddTo(result, cancellation);
                results.Add(result);
                Console.Error.WriteLine($"[{results.Count}/{rows.Count}] {ResultTable.Line(result)}");
            }
        }
        return results;
    }
}
