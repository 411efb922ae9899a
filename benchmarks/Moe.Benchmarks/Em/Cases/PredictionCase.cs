using Moe.Benchmarks.Measured;
using Moe.Benchmarks.Ratios;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em.Cases;

/// <summary>Predictions for ten times the rows: the ratios are 10 where time and memory are linear in them.</summary>
/// <param name="id">Its id.</param>
/// <param name="rows">The fewer rows.</param>
internal sealed class PredictionCase(string id, int rows) : EmCase(id)
{
    private const int Times = 10;

    public override IReadOnlyList<MeasuredRow> Measure(double seconds, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var problem = DrawnProblem.Lines(Times * rows, 10);
        var options = new EmOptions { MaxIterations = 3, Polish = false };
        var mixture = problem.Mixture(options).Fit(problem.Data, new FitContext { CancellationToken = cancellation }, problem.Start);
        var (all, few) = (problem.Data.Inputs, problem.Data.Inputs.narrow(0, 0, rows).contiguous());
        var (tenfold, single, bytes, fewBytes) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        Rounds.Run(seconds, Round, cancellation);
        return
        [
            Row($"prediction for {Times * rows} rows", tenfold, "ms", $"{rows} rows", single),
            Row($"managed memory of a prediction for {Times * rows} rows", bytes, "B", $"{rows} rows", fewBytes),
            .. Peaks(mixture),
        ];

        void Round(bool counts)
        {
            var first = GC.GetAllocatedBytesForCurrentThread();
            var fewTime = Rounds.Time(() => Predict(mixture, few));
            var second = GC.GetAllocatedBytesForCurrentThread();
            var allTime = Rounds.Time(() => Predict(mixture, all));
            var third = GC.GetAllocatedBytesForCurrentThread();
            if (!counts)
                return;
            single.Add(fewTime);
            tenfold.Add(allTime);
            fewBytes.Add(second - first);
            bytes.Add(third - second);
        }
    }

    private static void Predict(FittedMixture mixture, Tensor inputs) => mixture.forward(inputs).Dispose();

    /// <summary>The peak of resident memory, of more rows than were predicted before, since freed memory stays with the process.</summary>
    private IEnumerable<MeasuredRow> Peaks(FittedMixture mixture)
    {
        if (!MeasuringEnvironment.HasGlibc)
            yield break;
        using var scope = NewDisposeScope();
        var most = randn(Times * Times * rows, 10, dtype: ScalarType.Float64);
        var some = most.narrow(0, 0, 3 * Times * rows);
        var before = ResidentMemory.PeakOf(() => Predict(mixture, some));
        var after = ResidentMemory.PeakOf(() => Predict(mixture, most));
        yield return Row($"peak of memory beyond that of {3 * Times * rows} rows, for {Times * Times * rows}", [(double)after], "B", $"{3 * Times * rows} rows beyond {Times * rows}", [Math.Max(1.0, before)]);
    }
}
