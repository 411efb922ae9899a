namespace Moe.Classical;

/// <summary>On which predictions the E-step judges the experts.</summary>
public enum Judge
{
    /// <summary>Out of fold for experts whose learner can come close to repeating its own rows (<see cref="IExpertLearner.OverfitsOwnRows"/>), in sample for others.</summary>
    Auto,

    /// <summary>What the fitted expert says of the rows it was fitted to: maximum likelihood.</summary>
    InSample,

    /// <summary>For each row what an expert says that was fitted without it, in folds that stay the same, or what the expert itself says honestly (<see cref="IOutOfSample"/>).</summary>
    OutOfFold,
}
