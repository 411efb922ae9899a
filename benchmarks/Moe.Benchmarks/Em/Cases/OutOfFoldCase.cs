using Moe.Benchmarks.Measured;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em.Cases;

/// <summary>EM on experts of three kinds, of which two are judged on rows that they have not seen: which learner takes the time?</summary>
/// <param name="id">Its id.</param>
/// <param name="rows">Rows.</param>
/// <param name="iterations">Iterations of a fit.</param>
internal sealed class OutOfFoldCase(string id, int rows, int iterations) : EmCase(id)
{
    public override IReadOnlyList<MeasuredRow> Measure(double seconds, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var data = DrawnProblem.Regimes(rows);
        TimedLearner[] learners = [new(new LinearLearner()), new(new DecisionTreeLearner()), new(new KernelRidgeLearner())];
        var mixture = new MixtureLearner(
            [.. learners.Select(learner => new MixtureMember(learner.Name, learner))],
            new EmOptions { MaxIterations = iterations, Patience = iterations, Restarts = 1, Start = StartKind.Regions, Seed = 1 });
        var context = new FitContext { CancellationToken = cancellation };
        var (times, bytes, once) = (new List<double>(), new List<double>(), new List<double>());
        var parts = learners.Select(_ => new List<double>()).ToArray();
        Rounds.Run(seconds, Round, cancellation);
        return
        [
            Row("an iteration", times, "ms", "each learner fitted once to all rows", once),
            .. learners.Select((learner, place) => Row($"fits of {learner.Name}, in an iteration", parts[place], "ms", "the iteration", times)),
            Row("managed memory of an iteration", bytes, "B"),
        ];

        void Round(bool counts)
        {
            var clock = new IterationClock();
            foreach (var learner in learners)
                learner.Reset();
            mixture.Fit(data, context, progress: clock);
            if (counts)
            {
                times.AddRange(clock.Milliseconds);
                bytes.AddRange(clock.ManagedBytes);
                for (var place = 0; place < parts.Length; place++)
                    parts[place].Add(learners[place].Milliseconds / Math.Max(1, clock.Count));
            }
            var single = Rounds.Time(() =>
            {
                foreach (var learner in learners)
                    learner.Fit(data, context);
            });
            if (counts)
                once.Add(single);
        }
    }
}
