using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Measured;

/// <summary>Measures cases one after the other, and shows and writes what came out.</summary>
internal static class MeasuredRun
{
    /// <summary>The code to exit with.</summary>
    /// <param name="json">The file for the results, which appears only when all cases are done; null for none.</param>
    /// <param name="cases">What to measure.</param>
    /// <param name="measure">Measures one.</param>
    public static int Of<T>(string? json, IReadOnlyList<T> cases, Func<T, CancellationToken, IReadOnlyList<MeasuredRow>> measure)
        where T : MeasuredCase => Commands.Guarded(cancellation =>
    {
        using var file = json is null ? null : new ResultFile(json);
        Console.WriteLine(MeasuringEnvironment.Describe(MeasuringDevice.Cpu));
        var rows = new List<MeasuredRow>();
        foreach (var (place, own) in cases.Index())
        {
            rows.AddRange(measure(own, cancellation));
            Console.Error.WriteLine($"[{place + 1}/{cases.Count}] {own.Id}");
        }
        MeasuredTable.Print(rows);
        file?.Write(MeasuredRow.ToJson(rows));
    });
}
