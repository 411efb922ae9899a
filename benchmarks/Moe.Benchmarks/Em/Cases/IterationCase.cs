using Moe.Benchmarks.Measured;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em.Cases;

/// <summary>An iteration of EM, E- and M-step, from a given start.</summary>
/// <param name="id">Its id.</param>
/// <param name="problem">What is fitted.</param>
/// <param name="iterations">Iterations of a fit.</param>
/// <param name="targetMs">The most that an iteration should take.</param>
internal sealed class IterationCase(string id, Func<EmProblem> problem, int iterations, double? targetMs) : EmCase(id)
{
    public override IReadOnlyList<MeasuredRow> Measure(double seconds, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var own = problem();
        var mixture = own.Mixture(new EmOptions { MaxIterations = iterations, Tolerance = 1e-300, Polish = false });
        var bare = new BareStep(own);
        var context = new FitContext { CancellationToken = cancellation };
        var (times, bytes, growths, steps, checksum) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), 0.0);
        Rounds.Run(seconds, Round, cancellation);
        return double.IsNaN(checksum) ? throw new InvalidOperationException("The bare step gave NaN.") :
        [
            Row("an iteration", times, "ms", "normal equations and one Newton step of the gate, in plain loops", steps, targetMs),
            Row("managed memory of an iteration", bytes, "B", "a byte a row", [own.Data.Rows]),
            Row("growth of the working set over a fit's iterations", growths, "B"),
        ];

        void Round(bool counts)
        {
            var clock = new IterationClock { AsksForMemory = own.Data.Rows > 1000 };
            mixture.Fit(own.Data, context, own.Start, clock);
            var step = Rounds.Time(() => checksum += bare.Run());
            if (!counts)
                return;
            times.AddRange(clock.Milliseconds);
            bytes.AddRange(clock.ManagedBytes);
            growths.Add(clock.Growth);
            steps.Add(step);
        }
    }
}
