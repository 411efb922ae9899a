// Two kinds of measurement: `ratios` compares the layer with a dense one, with the published loop and with the machine; anything else goes
// to BenchmarkDotNet, which times the parts.
//
//     dotnet run -c Release --project benchmarks/Moe.Benchmarks -- --help

using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Moe.Benchmarks;
using Moe.Benchmarks.Ratios;

if (args is [RatiosCommand.Name or PeakCommand.Name or "--help" or "-h" or "-?", ..])
    return Commands.Run(args);

// In this process: the native library of torch is a gigabyte that a generated project would copy. Look at Ratio, not at times.
var config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .HideColumns(Column.Error, Column.StdDev, Column.RatioSD);
BenchmarkSwitcher.FromAssembly(typeof(LayerBenchmarks).Assembly).Run(args is [Commands.Parts, .. var rest] ? rest : args, config);
return Commands.Ok;
