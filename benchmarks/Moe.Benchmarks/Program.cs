// Two kinds of measurement: `ratios` compares the layer with a dense one, with the published loop and with the machine; anything else goes
// to BenchmarkDotNet, which compares the parts of the layer with torch's own operations.
//
//     dotnet run -c Release --project benchmarks/Moe.Benchmarks -- --help

using Moe.Benchmarks.Parts;
using Moe.Benchmarks.Ratios;

return args is [RatiosCommand.Name or PeakCommand.Name or "--help" or "-h" or "-?", ..]
    ? Commands.Run(args)
    : PartsCommand.Run(args);
