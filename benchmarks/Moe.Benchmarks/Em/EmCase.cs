using Moe.Benchmarks.Em.Cases;
using Moe.Benchmarks.Measured;

namespace Moe.Benchmarks.Em;

/// <summary>A fit that is measured. What is compared is measured in turns, since the speed of a machine changes.</summary>
/// <param name="id">What <c>--cases</c> is compared with.</param>
internal abstract class EmCase(string id) : MeasuredCase(id)
{
    public static IReadOnlyList<EmCase> All { get; } =
    [
        .. GoldenProblem.Names.Select(name => new IterationCase($"iteration/{name}", () => GoldenProblem.Read(name), iterations: 40, targetMs: 0.8)),
        new IterationCase("iteration/100000x10", () => DrawnProblem.Lines(100_000, 10), iterations: 12, targetMs: 1000),
        new PredictionCase("prediction/10000-100000", 10_000),
        new RestartsCase("restarts/50", "mcycle_gauss2", 50),
        new OutOfFoldCase("out-of-fold/600x4", 600, iterations: 8),
        new IterationCase($"{Smoke}/iteration", () => GoldenProblem.Read(GoldenProblem.Names[0]), iterations: 4, targetMs: null),
        new IterationCase($"{Smoke}/iteration-lines", () => DrawnProblem.Lines(200, 2), iterations: 4, targetMs: null),
        new PredictionCase($"{Smoke}/prediction", 100),
        new RestartsCase($"{Smoke}/restarts", GoldenProblem.Names[0], 2),
        new OutOfFoldCase($"{Smoke}/out-of-fold", 60, iterations: 3),
    ];

    /// <summary>The cases that are meant; those of the smoke test only where the pattern names it.</summary>
    /// <param name="patterns">Parts of ids, in which * stands for anything; all but the smoke test when there is none.</param>
    public static IReadOnlyList<EmCase> Matching(IReadOnlyList<string> patterns) => Matching(All, patterns);

    /// <summary>Measures.</summary>
    /// <param name="seconds">Time for the rounds; there are at least three.</param>
    /// <param name="cancellation">Ends it between two rounds, and in fits.</param>
    public abstract IReadOnlyList<MeasuredRow> Measure(double seconds, CancellationToken cancellation);
}
