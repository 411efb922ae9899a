using Moe.Core;
using Moe.Training;

namespace Moe.Terminal.Tests;

/// <summary>Reports of a training that never was, with numbers that are easy to find again.</summary>
internal static class Reports
{
    public static TrainingPlan Plan(int epochs = 3, long stepsPerEpoch = 10, long firstStep = 0) =>
        new() { Epochs = epochs, StepsPerEpoch = stepsPerEpoch, Samples = stepsPerEpoch * 32, FirstStep = firstStep, History = [] };

    public static StepReport Step(long step, TrainingPlan plan, double loss = 0.5, double balance = 1.25, string? skipped = null) => new()
    {
        Step = step,
        TotalSteps = plan.TotalSteps,
        Epoch = (int)(step / plan.StepsPerEpoch),
        Loss = skipped is null ? loss : double.NaN,
        TaskLoss = loss,
        Balance = skipped is null ? balance : double.NaN,
        Lambda = 0.01,
        LearningRate = 0.001,
        GradientNorm = 1,
        Samples = skipped is null ? 32 : 0,
        Tokens = skipped is null ? 32 : 0,
        Routing = skipped is null ? Routing : [],
        SkippedBecause = skipped,
        Elapsed = TimeSpan.FromSeconds(step),
    };

    public static EpochReport Epoch(int epoch, TrainingPlan plan, bool mixture = true, bool validation = true) => new()
    {
        Epoch = epoch,
        Steps = (epoch + 1) * plan.StepsPerEpoch,
        Loss = 0.5123,
        TaskLoss = 0.5,
        Balance = mixture ? 1.23 : 0,
        Routing = mixture ? Routing : [],
        Validation = validation
            ? new EvaluationReport { TaskLoss = 0.6, Balance = 1, Metrics = new Dictionary<string, double> { ["accuracy"] = 0.975 }, Routing = Routing }
            : null,
        IsBest = false,
        TokensPerSecond = 12345.6,
        Elapsed = TimeSpan.FromSeconds(epoch + 1),
    };

    public static TrainingResult Result(TrainingPlan plan, bool stoppedEarly = false) => new()
    {
        Epochs = [.. Enumerable.Range(0, plan.Epochs).Select(epoch => Epoch(epoch, plan))],
        Steps = plan.TotalSteps,
        StoppedEarly = stoppedEarly,
        Elapsed = TimeSpan.FromSeconds(4.25),
    };

    public static CollapseAlert Alert(long step) => new()
    {
        Layer = "moe",
        Step = step,
        Broken = [new BrokenRule(CollapseRule.DeadExperts, 3, 0)],
        Routing = Routing["moe"],
        Health = new GateHealth { Tokens = 32, LogitNorm = 1, WeightMargin = 0.5 },
    };

    private static Dictionary<string, RoutingReport> Routing { get; } =
        new() { ["moe"] = RoutingReport.FromCounts([32, 32], [32, 32], 32, 2) };
}
