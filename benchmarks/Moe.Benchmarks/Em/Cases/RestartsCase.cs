using Moe.Benchmarks.Measured;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em.Cases;

/// <summary>Many starts on two threads and on one.</summary>
/// <param name="id">Its id.</param>
/// <param name="golden">Which problem.</param>
/// <param name="restarts">How many starts.</param>
internal sealed class RestartsCase(string id, string golden, int restarts) : EmCase(id)
{
    public override IReadOnlyList<MeasuredRow> Measure(double seconds, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var problem = GoldenProblem.Read(golden);
        var options = new EmOptions { Restarts = restarts, Seed = 1 };
        var context = new FitContext { CancellationToken = cancellation };
        var (one, two) = (problem.Mixture(options with { MaxParallel = 1 }), problem.Mixture(options with { MaxParallel = 2 }));
        var (ones, twos) = (new List<double>(), new List<double>());
        Rounds.Run(seconds, Round, cancellation);
        return [Row($"{restarts} starts on two threads", twos, "ms", "on one", ones)];

        void Round(bool counts)
        {
            var single = Rounds.Time(() => one.Fit(problem.Data, context));
            var both = Rounds.Time(() => two.Fit(problem.Data, context));
            if (!counts)
                return;
            ones.Add(single);
            twos.Add(both);
        }
    }
}
