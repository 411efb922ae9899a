namespace Moe.Classical;

/// <summary>In which order the experts of a fit come: EM finds them in any.</summary>
public enum ExpertOrder
{
    /// <summary>As the members were given.</summary>
    Given,

    /// <summary>Members that are alike (same learner, noise and columns) change places so that the intercepts of their linear functions ascend; others keep theirs.</summary>
    Intercept,
}
