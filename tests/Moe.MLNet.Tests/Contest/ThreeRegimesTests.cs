using Moe.Classical;
using Moe.Classical.Tests;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests;

/// <summary>What a mixture is for: rows of several kinds that want different models. The same experts alone, in every ensemble, and under a gate.</summary>
public sealed class ThreeRegimesTests(ITestOutputHelper output)
{
    private static readonly IExpertLearner Linear = new LinearLearner();
    private static readonly IExpertLearner Tree = new DecisionTreeLearner(new() { MinLeafWeight = 5 });
    private static readonly IExpertLearner Kernel = new KernelRidgeLearner(new() { MaxSelectionRows = 250 });

    public static TheoryData<int> Seeds => [1, 2, 3, 4, 5];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Experts_that_are_judged_out_of_fold_beat_every_single_model_and_every_ensemble(int seed)
    {
        using var scope = NewDisposeScope();
        var (inputs, values) = ThreeRegimes.Draw(600, seed);
        var (fresh, truth) = ThreeRegimes.Draw(3000, 1000 + seed);
        var data = new FitData(inputs, Response.Real(values));
        IExpertLearner[] rivals =
        [
            Linear, Tree, Kernel,
            new GaussianProcessLearner(new() { SeparateLengthScales = true }),
            new AveragingLearner([Linear, Tree, Kernel]),
            new BaggingLearner(Tree, new() { Members = 100 }),
            new RandomForestLearner(new() { Trees = 200 }),
            MLNetLearner.FastTree(),
            MLNetLearner.LightGbm(),
            new StackingLearner([Linear, Tree, Kernel]),
        ];
        var mixture = new MixtureLearner(
            [new("linear", Linear), new("tree", Tree), new("kernel ridge", Kernel)],
            new EmOptions { Seed = seed, Restarts = 12, Start = StartKind.Regions, MaxIterations = 30 });

        var errors = rivals.ToDictionary(rival => rival.Name, Error);
        var error = Error(mixture);

        output.WriteLine($"mixture {error:F3}; {string.Join(", ", errors.Select(rival => $"{rival.Key} {rival.Value:F3}"))}");
        error.Should().BeLessThan(0.9 * errors.Values.Min());

        double Error(IExpertLearner learner)
        {
            var predictions = learner.Fit(data, new FitContext { Seed = seed }).forward(fresh).reshape(-1);
            return (predictions - truth).pow(2).mean().sqrt().item<double>();
        }
    }
}
