namespace Moe.Testing;

/// <summary>Which code is which law.</summary>
internal static class RouterLaws
{
    public static Action<RouterTrial> Of(RouterLaw law) => law switch
    {
        RouterLaw.DistinctExperts => DecisionLaws.Everywhere(DecisionLaws.DistinctExperts),
        RouterLaw.FiniteWeights => DecisionLaws.Everywhere(DecisionLaws.FiniteWeights),
        RouterLaw.ConsistentCounts => DecisionLaws.Everywhere(DecisionLaws.ConsistentCounts),
        RouterLaw.FiniteScores => DecisionLaws.Everywhere(DecisionLaws.FiniteScores),
        RouterLaw.SlotsAreMeans => DecisionLaws.Everywhere(DecisionLaws.SlotsAreMeans),
        RouterLaw.GradientsArrive => GradientLaws.Arrive,
        RouterLaw.DeterministicEvaluation => RandomnessLaws.DeterministicEvaluation,
        RouterLaw.ReproducibleTraining => RandomnessLaws.ReproducibleTraining,
        RouterLaw.PaddingIsAbsent => PaddingLaws.Absent,
        RouterLaw.PaddingOnly => PaddingLaws.Only,
        RouterLaw.NoTokensRefused => EdgeLaws.NoTokensRefused,
        RouterLaw.OneToken => EdgeLaws.OneToken,
        RouterLaw.OneExpert => EdgeLaws.OneExpert,
        RouterLaw.AllExperts => EdgeLaws.AllExperts,
        RouterLaw.Ties => EdgeLaws.Ties,
        RouterLaw.LargeTokens => EdgeLaws.LargeTokens,
        RouterLaw.NonFiniteTokensRefused => EdgeLaws.NonFiniteTokensRefused,
        RouterLaw.EveryFloatingType => InputLaws.EveryFloatingType,
        RouterLaw.StaysInFloat32 => InputLaws.StaysInFloat32,
        RouterLaw.WrongInputRefused => InputLaws.WrongInputRefused,
        RouterLaw.LeadingDimensions => InputLaws.LeadingDimensions,
        RouterLaw.HonestCausality => CausalityLaw.Honest,
        RouterLaw.StateRoundTrip => OwnershipLaws.StateRoundTrip,
        RouterLaw.NothingLeaks => OwnershipLaws.NothingLeaks,
        RouterLaw.SurvivesInPass => OwnershipLaws.SurvivesInPass,
        RouterLaw.Threads => RandomnessLaws.Threads,
        RouterLaw.ForcedChoices => InputLaws.ForcedChoices,
        _ => throw new ArgumentOutOfRangeException(nameof(law), law, "There is no such law."),
    };

    /// <summary>Whether a law may hold for many experts and not for few. Not so gradients: whoever has one expert to choose from learns nothing by it.</summary>
    public static bool DependsOnExperts(RouterLaw law) => law is
        RouterLaw.DistinctExperts or RouterLaw.FiniteWeights or RouterLaw.ConsistentCounts or RouterLaw.FiniteScores or RouterLaw.SlotsAreMeans
        or RouterLaw.PaddingIsAbsent or RouterLaw.PaddingOnly or RouterLaw.OneToken or RouterLaw.OneExpert or RouterLaw.AllExperts
        or RouterLaw.Ties or RouterLaw.LargeTokens or RouterLaw.NonFiniteTokensRefused or RouterLaw.HonestCausality or RouterLaw.ForcedChoices;
}
