using System.Diagnostics;
using Moe.Benchmarks.Ratios.Contenders;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>
/// Times a row in rounds: ours, dense, loop, ours, … Only what is measured in turns can be compared on a machine whose speed changes.
/// </summary>
/// <remarks>
/// Each round has a batch of its own, so that few tokens ask other experts each time and their weights come from memory, as in use. A call ends when the device has
/// computed it.
/// </remarks>
internal sealed class RowTimer(RatioCase row, Lineup lineup, MeasuringDevice device, double seconds, CancellationToken cancellation)
{
    // A function of TorchScript is specialised in its first three calls. Where calls are long, that is little in one of five rounds.
    private const int WarmUp = 3;
    private const double LongWarmUpMs = 1000;

    private const int FewestRounds = 5;
    private const int MostRounds = 300;
    private const int TextbookTokens = 64;

    public RowResult Measure()
    {
        using var scope = NewDisposeScope();
        Contender[] contenders = [lineup.Ours, lineup.Dense, lineup.Loop];
        var first = NewBatch();
        foreach (var contender in contenders)
            contender.Prepare(Pass.Forward);
        var difference = Agreement.Check(row, lineup, first);
        foreach (var contender in contenders)
            contender.Prepare(row.Pass);

        var round = contenders.Sum(contender => WarmUpOf(contender, first));
        var rounds = (int)Math.Clamp(seconds * 1000 / round, FewestRounds, MostRounds);
        var batches = Enumerable.Range(0, Math.Min(rounds, Math.Clamp(32768 / row.Tokens, 8, MostRounds))).Select(_ => NewBatch()).ToArray();
        var expertsHit = Enumerable.Range(0, rounds).Average(number => lineup.ExpertsHit(batches[number % batches.Length]));

        var before = Ceilings.Measure(row, device);
        var times = contenders.Select(_ => new double[rounds]).ToArray();
        var managed = 0L;
        for (var number = 0; number < rounds; number++)
        {
            var tokens = batches[number % batches.Length];
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            times[0][number] = Time(lineup.Ours, tokens);
            managed += GC.GetAllocatedBytesForCurrentThread() - allocated;
            times[1][number] = Time(lineup.Dense, tokens);
            times[2][number] = Time(lineup.Loop, tokens);
        }
        var after = Ceilings.Measure(row, device);

        var textbook = row.Tokens == TextbookTokens ? Textbook(batches) : null;
        return new RowResult(row, rounds, Quartiles.Of(times[0]), Quartiles.Of(times[1]), Quartiles.Of(times[2]), textbook)
        {
            Backend = lineup.Backend(first),
            Floor = Floor.Of(row, before.Better(after), expertsHit),
            ExpertsHit = expertsHit,
            Difference = difference,
            ManagedBytes = managed / rounds,
        };
    }

    private Tensor NewBatch() => randn(row.Tokens, row.Layer.Hidden, dtype: row.Type, device: device.Torch);

    private double Time(Contender contender, Tensor tokens)
    {
        cancellation.ThrowIfCancellationRequested();
        device.Synchronize();
        var start = Stopwatch.GetTimestamp();
        contender.Call(row.Pass, tokens);
        device.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <returns>The time of the last call.</returns>
    private double WarmUpOf(Contender contender, Tensor tokens)
    {
        var (last, sum) = (0.0, 0.0);
        for (var call = 0; call < WarmUp && sum < LongWarmUpMs; call++)
        {
            last = Time(contender, tokens);
            sum += last;
        }
        return last;
    }

    /// <summary>Far behind, and so timed by itself.</summary>
    private Quartiles Textbook(Tensor[] batches)
    {
        lineup.Textbook.Prepare(row.Pass);
        Time(lineup.Textbook, batches[0]);
        return Quartiles.Of(batches.Take(FewestRounds).Select(tokens => Time(lineup.Textbook, tokens)));
    }
}
