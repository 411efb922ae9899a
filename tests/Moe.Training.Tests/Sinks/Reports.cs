using Moe.Core;

namespace Moe.Training.Tests;

/// <summary>Reports of a training that never was, with numbers that are easy to find again.</summary>
internal static class Reports
{
    public static TrainingPlan Plan(params EpochReport[] history) =>
        new() { Epochs = 5, StepsPerEpoch = 10, Samples = 320, FirstStep = history.Length * 10, History = history };

    public static EpochReport Epoch(int epoch, string? mixture = "moe", string? metric = "accuracy") => new()
    {
        Epoch = epoch,
        Steps = (epoch + 1) * 10,
        Loss = 0.5,
        TaskLoss = 0.25,
        Balance = 1.5,
        Validation = metric is null ? null : new EvaluationReport
        {
            TaskLoss = 0.75,
            Balance = 1.25,
            Metrics = new Dictionary<string, double> { [metric] = 0.875 },
            Routing = Routing(mixture),
        },
        Routing = Routing(mixture),
        Health = Health(mixture),
        IsBest = epoch == 0,
        TokensPerSecond = 1234.5,
        Elapsed = TimeSpan.FromSeconds(epoch + 0.5),
    };

    /// <summary>An epoch of a training with a second balance loss.</summary>
    public static EpochReport EpochWithTerm(int epoch) => Epoch(epoch) with
    {
        Terms = new Dictionary<string, TermReport> { ["router_z"] = new(2.5, 0.0625) },
        Validation = Epoch(epoch).Validation! with { Terms = new Dictionary<string, double> { ["router_z"] = 2.25 } },
    };

    public static StepReport Step(long step, string? skipped = null) => new()
    {
        Step = step,
        TotalSteps = 50,
        Epoch = 0,
        Loss = 0.5,
        TaskLoss = 0.25,
        Balance = 1.5,
        Lambda = 0.125,
        LearningRate = 0.0625,
        GradientNorm = 3,
        Samples = 32,
        Tokens = 32,
        Routing = Routing("moe"),
        Health = Health("moe"),
        SkippedBecause = skipped,
        Elapsed = TimeSpan.FromSeconds(step),
    };

    private static Dictionary<string, GateHealth> Health(string? mixture) =>
        mixture is null ? [] : new() { [mixture] = new GateHealth { Tokens = 8, LogitNorm = 3.5, WeightMargin = 0.125 } };

    // All of expert 0 and half of expert 1 computed, expert 2 dead.
    private static Dictionary<string, RoutingReport> Routing(string? mixture) =>
        mixture is null ? [] : new() { [mixture] = RoutingReport.FromCounts([8, 4, 0], [8, 8, 0], 8, 2) };
}
