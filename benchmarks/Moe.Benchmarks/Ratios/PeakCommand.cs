using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Moe.Benchmarks.Ratios.Contenders;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>The other side of <see cref="PeakMemory"/>: measures one contender in a process that does nothing else, and prints bytes.</summary>
internal static class PeakCommand
{
    public const string Name = "peak";

    /// <summary>Instead of a contender: a tensor whose size is known.</summary>
    public const string KnownTensor = "tensor";

    /// <summary>The bytes of the known tensor.</summary>
    public const int KnownBytes = 100_000_000;

    private const int WarmUp = 4;
    private const int Samples = 5;

    private static readonly TimeSpan LongCall = TimeSpan.FromSeconds(0.3);

    public static Command Make()
    {
        var row = new Option<string>("--row") { Required = true };
        var contender = new Option<string>("--contender") { Required = true };
        var threads = new Option<int>("--threads") { Required = true };
        var command = new Command(Name, "Measure the peak memory of one contender.") { row, contender, threads };
        command.Hidden = true;
        command.SetAction(parsed => Run(parsed.GetValue(row)!, parsed.GetValue(contender)!, parsed.GetValue(threads)));
        return command;
    }

    private static int Run(string id, string name, int threads)
    {
        if (RatioCase.All.FirstOrDefault(row => row.Id == id) is not { } row)
            return Commands.Fail(Commands.BadUsage, [$"--row ({id}) is none of the rows."]);
        set_num_threads(threads);
        random.manual_seed(1);
        Console.WriteLine(Peak(row, name).ToString(CultureInfo.InvariantCulture));
        return Commands.Ok;
    }

    private static long Peak(RatioCase row, string name)
    {
        if (name == KnownTensor)
            return Median(() => { }, () => ones(KnownBytes, dtype: ScalarType.Byte).Dispose());

        var contender = Build(row, name);
        var tokens = randn(row.Tokens, row.Layer.Hidden, dtype: row.Type);
        contender.Prepare(row.Pass);
        return Median(contender.ZeroGrad, () => contender.Call(row.Pass, tokens));
    }

    private static Contender Build(RatioCase row, string name)
    {
        if (name == Mixture.Name)
        {
            var mixture = Mixture.Build(row.Layer, row.Type, CPU);
            return new Contender(name, mixture, mixture.forward);
        }

        var dense = new DenseSwiGlu(row.Layer, row.Type, CPU);
        return new Contender(name, dense, dense.forward);
    }

    /// <summary>Of several calls in the state that earlier ones have left, with the gradients given back. Of a long call one will do.</summary>
    private static long Median(Action reset, Action call)
    {
        call();
        var start = Stopwatch.GetTimestamp();
        call();
        var isLong = Stopwatch.GetElapsedTime(start) > LongCall;
        for (var warm = 2; warm < WarmUp && !isLong; warm++)
            call();
        var peaks = new long[isLong ? 1 : Samples];
        for (var sample = 0; sample < peaks.Length; sample++)
        {
            reset();
            peaks[sample] = ResidentMemory.PeakOf(call);
        }
        return peaks.Order().ElementAt(peaks.Length / 2);
    }
}
