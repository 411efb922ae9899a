namespace Moe.Classical;

/// <summary>What a vote counts.</summary>
public enum VotingRule
{
    /// <summary>One vote an expert, for the class it finds most probable (the lowest of several).</summary>
    Hard,

    /// <summary>The probabilities themselves.</summary>
    Soft,
}
