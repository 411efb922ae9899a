using System.Diagnostics;
using System.Globalization;
using Moe.Benchmarks.Ratios.Contenders;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>The tensor memory of one call at its peak, beyond parameters and input; in training with the gradients that it leaves.</summary>
/// <remarks>
/// <para>Each number comes from a process of its own (<see cref="PeakCommand"/>), in which glibc gives everything of 64 KB and more back to the system as soon as it
/// is freed, so that the resident memory of the process is what lives. Buffers that libraries keep from call to call are there before and do not count.</para>
/// <para>Resolution: about 0.1 MB. Where the system cannot do that, or a tensor of known size does not measure as what it is, there are no numbers.</para>
/// </remarks>
internal sealed class PeakMemory
{
    private const string Eager = "glibc.malloc.mmap_threshold=65536:glibc.malloc.trim_threshold=65536:glibc.malloc.top_pad=0:glibc.malloc.arena_max=1";

    private const double Tolerance = 0.02;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private PeakMemory()
    {
    }

    /// <summary>Says on the console what a known tensor measures.</summary>
    /// <returns>Null, with a note, where memory cannot be measured. TorchSharp does not tell what another device than the CPU has lent.</returns>
    public static PeakMemory? Find(MeasuringDevice device, CancellationToken cancellation)
    {
        if (!device.IsCpu)
        {
            Console.WriteLine($"memory       peaks are not measured on {device.Name}");
            return null;
        }

        const int Known = PeakCommand.KnownBytes;
        var measured = MeasuringEnvironment.HasGlibc ? Measure(RatioCase.All[0], PeakCommand.KnownTensor, cancellation).GetAwaiter().GetResult() : null;
        var works = measured is { } bytes && Math.Abs(bytes - Known) <= Tolerance * Known;
        Console.WriteLine(works ? $"memory       a tensor of {Known:N0} bytes measures {measured:N0}"
            : measured is null ? "memory       peaks are not measured: that takes Linux with glibc, and /proc"
            : $"memory       peaks are not measured: a tensor of {Known:N0} bytes measures {measured:N0}");
        return works ? new PeakMemory() : null;
    }

    /// <summary>Ours and dense, at the same time: nothing is timed.</summary>
    public RowResult AddTo(RowResult result, CancellationToken cancellation)
    {
        var ours = Measure(result.Row, Mixture.Name, cancellation);
        var dense = Measure(result.Row, DenseSwiGlu.Name, cancellation);
        Task.WhenAll(ours, dense).GetAwaiter().GetResult();
        return result with { Peak = ours.Result, PeakDense = dense.Result };
    }

    private static async Task<long?> Measure(RatioCase row, string contender, CancellationToken cancellation)
    {
        var start = MeasuringEnvironment.ThisProgram(
            [PeakCommand.Name, "--row", row.Id, "--contender", contender, "--threads", get_num_threads().ToString(CultureInfo.InvariantCulture)]);
        start.RedirectStandardOutput = true;
        start.Environment["GLIBC_TUNABLES"] = Eager;
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Limit);
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == Commands.Ok && long.TryParse(output, CultureInfo.InvariantCulture, out var bytes) ? bytes : null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}
