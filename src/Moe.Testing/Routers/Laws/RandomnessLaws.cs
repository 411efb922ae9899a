using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>What must hold for draws, and where there must be none.</summary>
internal static class RandomnessLaws
{
    public static void DeterministicEvaluation(RouterTrial trial)
    {
        if (!trial.Options.DeterministicEvaluation)
            return;
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        trial.Prepare(router, batch, training: false);
        var before = States();
        var first = DecisionInNumbers.From(router.Route(batch.Tokens, batch.Context));
        trial.Require(States().SequenceEqual(before), "numbers were drawn");
        var again = DecisionInNumbers.From(router.Route(batch.Tokens, batch.Context));
        RequireSame(trial, first, again, "routed again");

        IEnumerable<double> States() => [.. HostValues.Of(router.Generator!.get_state()), .. HostValues.Of(get_rng_state())];
    }

    public static void ReproducibleTraining(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        RequireSame(trial, trial.Numbers(router, batch, training: true), trial.Numbers(router, batch, training: true), "routed again with the same seed");
    }

    public static void Threads(RouterTrial trial)
    {
        const int count = 4;
        var batch = trial.Batch(2, 4);

        var shared = trial.NewRouter();
        var expected = trial.Numbers(shared, batch, training: false);
        foreach (var got in OnThreads(_ => DecisionInNumbers.From(shared.Route(batch.Tokens, batch.Context))))
            RequireSame(trial, expected, got, "routed by one router on several threads");

        // Weights that are the same, and draws that are each thread's own.
        var routers = Enumerable.Range(0, count).Select(_ => trial.NewRouter()).ToArray();
        var alone = routers.Select((router, index) => Trained(router, index)).ToArray();
        var together = OnThreads(index => Trained(routers[index], index));
        foreach (var (one, other) in alone.Zip(together))
            RequireSame(trial, one, other, "routed while others train on other threads");

        DecisionInNumbers Trained(Router router, int index)
        {
            router.train();
            router.Generator = trial.Random(300 + (ulong)index);
            using var scope = NewDisposeScope();
            return DecisionInNumbers.From(router.Route(batch.Tokens, batch.Context));
        }

        // Threads that begin together, rather than tasks that may as well run one after the other.
        static DecisionInNumbers[] OnThreads(Func<int, DecisionInNumbers> route)
        {
            var results = new DecisionInNumbers[count];
            var failures = new Exception?[count];
            using var start = new Barrier(count);
            var threads = Enumerable.Range(0, count).Select(index => new Thread(() => failures[index] = Failure(index))).ToArray();
            foreach (var thread in threads)
                thread.Start();
            foreach (var thread in threads)
                thread.Join();
            return failures.OfType<Exception>().FirstOrDefault() is { } failure
                ? throw new InvalidOperationException($"On one of several threads, {Trial.Describe(failure)}", failure)
                : results;

            Exception? Failure(int index)
            {
                using var scope = NewDisposeScope();
                start.SignalAndWait();
                try
                {
                    results[index] = route(index);
                    return null;
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    return exception;
                }
            }
        }
    }

    public static void RequireSame(RouterTrial trial, DecisionInNumbers expected, DecisionInNumbers actual, string what, double tolerance = 0)
    {
        var difference = expected.Difference(actual, tolerance);
        trial.Require(difference is null, $"{what}, {difference}");
    }
}
