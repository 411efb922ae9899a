using Moe.Core;

namespace Moe.Training;

/// <summary>When a <see cref="CollapseAlarm"/> goes off: bounds on what each mixture does over a window of steps.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when an alarm is made from it. A bound that is null is not looked at.</remarks>
public sealed record CollapseAlarmOptions
{
    /// <summary>The optimizer steps that are added up, judged, and forgotten for the next window. Long enough that a healthy expert is needed in it.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int Window { get; init; } = 100;

    /// <summary>The experts that may go without a single assignment. Null experts do not count.</summary>
    /// <value>The default is 0. Range: 0 or more.</value>
    public int? MaxDeadExperts { get; init; } = 0;

    /// <summary>The least entropy of the experts' shares, as a share of ln E, which is that of perfect balance. Not looked at where there is one expert.</summary>
    /// <value>The default is 0.5. Range: 0 to 1.</value>
    public double? MinEntropy { get; init; } = 0.5;

    /// <summary>The most that the largest share may be over the mean share: 1 at perfect balance, E when one expert gets all.</summary>
    /// <value>The default is null. Range: 1 or more.</value>
    public double? MaxOverMean { get; init; }

    /// <summary>The most that the mean norm of a token's raw logits may be (<see cref="GateHealth.LogitNorm"/>).</summary>
    /// <value>The default is null: what is much depends on E. Range: above 0, finite.</value>
    public double? MaxLogitNorm { get; init; }

    /// <summary>The least mean lead of a token's best score over its second best (<see cref="GateHealth.WeightMargin"/>).</summary>
    /// <value>The default is null. Range: above 0, finite.</value>
    public double? MinWeightMargin { get; init; }

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(CollapseAlarmOptions))
            .Require(Window >= 1, $"Window ({Window}) must be at least 1.")
            .Require(MaxDeadExperts is null or >= 0, $"MaxDeadExperts ({MaxDeadExperts}) must be 0 or more, or null.")
            .Require(MinEntropy is null or (>= 0 and <= 1), $"MinEntropy ({MinEntropy}) must lie between 0 and 1, or be null.")
            .Require(MaxOverMean is null or >= 1, $"MaxOverMean ({MaxOverMean}) must be 1 or more, or null.")
            .Require(IsPositive(MaxLogitNorm), $"MaxLogitNorm ({MaxLogitNorm}) must be positive and finite, or null.")
            .Require(IsPositive(MinWeightMargin), $"MinWeightMargin ({MinWeightMargin}) must be positive and finite, or null.")
            .ThrowIfAny(parameterName);

    /// <summary>The rules that a mixture broke, in the order of the enumeration.</summary>
    internal List<BrokenRule> Broken(RoutingReport report, GateHealth? health, int nullExperts)
    {
        var broken = new List<BrokenRule>();
        AtMost(CollapseRule.DeadExperts, report.DeadExperts.Count(expert => expert < report.ExpertCount - nullExperts), MaxDeadExperts);
        if (report.ExpertCount > 1)
            AtLeast(CollapseRule.Entropy, report.Entropy / Math.Log(report.ExpertCount), MinEntropy);
        AtMost(CollapseRule.MaxOverMean, report.MaxOverMean, MaxOverMean);
        if (health is not null)
        {
            AtMost(CollapseRule.LogitNorm, health.LogitNorm, MaxLogitNorm);
            AtLeast(CollapseRule.WeightMargin, health.WeightMargin, MinWeightMargin);
        }
        return broken;

        void AtMost(CollapseRule rule, double value, double? bound)
        {
            if (value > bound)
                broken.Add(new BrokenRule(rule, value, bound.Value));
        }

        void AtLeast(CollapseRule rule, double value, double? bound)
        {
            if (value < bound)
                broken.Add(new BrokenRule(rule, value, bound.Value));
        }
    }

    private static bool IsPositive(double? value) => value is not { } number || (number > 0 && double.IsFinite(number));
}
