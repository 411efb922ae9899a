using Moe.Core;
using Moe.Training;

namespace RouterZoo;

/// <summary>What came of a router: one training a seed.</summary>
internal sealed class Outcome(string name)
{
    private readonly List<TrainingResult> _trainings = [];
    private double? _rows;
    private int _experts;

    public string Name { get; } = name;

    public bool IsCausal { get; private set; }

    /// <summary>The load of the first training, epoch by epoch.</summary>
    public IReadOnlyList<RoutingReport> Load => [.. _trainings[0].Epochs.Select(epoch => epoch.Routing.Values.Single())];

    /// <summary>The share of images never seen that are named right, of each training.</summary>
    public double[] Accuracies => Each(result => result.Epochs[^1].Validation!.Metrics[Metric.Accuracy.Name]);

    public double Spread => Accuracies.Length < 2 ? 0 : Math.Sqrt(Accuracies.Sum(value => Math.Pow(value - Accuracies.Average(), 2)) / (Accuracies.Length - 1));

    public double CoefficientOfVariation => Each(result => Test(result).CoefficientOfVariation).Average();

    public double Entropy => Each(result => Test(result).Entropy).Average();

    /// <summary>Assignments dropped while training, in the last epoch.</summary>
    public double Dropped => Each(result => result.Epochs[^1].Routing.Values.Single().DroppedShare).Average();

    /// <summary>Rows that experts compute for a token, on average: what its answer costs.</summary>
    public double RowsPerToken => _rows ?? Each(result => (double)Test(result).Load.Take(_experts).Sum() / Test(result).Tokens).Average();

    public double TokensPerSecond => Each(result => result.Epochs.Average(epoch => epoch.TokensPerSecond)).Average();

    public void Add(TrainingResult result, Router router)
    {
        _trainings.Add(result);
        IsCausal = router.IsCausal;

        // Null experts compute nothing, and those of a Soft MoE compute slots, not tokens.
        _experts = router.ExpertCount - router.NullExpertCount;
        if (router is SoftRouter soft)
            _rows = (double)soft.ExpertCount * soft.Options.SlotsPerExpert / PatchModel.Patches;
    }

    private static RoutingReport Test(TrainingResult result) => result.Epochs[^1].Validation!.Routing.Values.Single();

    private double[] Each(Func<TrainingResult, double> value) => [.. _trainings.Select(value)];
}
