// Four kinds of measurement: `ratios` compares the layer with a dense one, with the published loop and with the machine; `em` times fits by EM;
// `checkpoints` times the loading of published blocks; anything else goes to BenchmarkDotNet, which compares the parts of the layer with torch's own operations.
//
//     dotnet run -c Release --project benchmarks/Moe.Benchmarks -- --help

using Moe.Benchmarks.Checkpoints;
using Moe.Benchmarks.Em;
using Moe.Benchmarks.Parts;
using Moe.Benchmarks.Ratios;

return args is [RatiosCommand.Name or EmCommand.Name or CheckpointsCommand.Name or PeakCommand.Name or "--help" or "-h" or "-?", ..]
    ? Commands.Run(args)
    : PartsCommand.Run(args);
