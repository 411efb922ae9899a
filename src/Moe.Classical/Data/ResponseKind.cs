namespace Moe.Classical;

/// <summary>What kind of number is to be explained.</summary>
public enum ResponseKind
{
    /// <summary>A real number.</summary>
    Real,

    /// <summary>A count: 0, 1, 2 …</summary>
    Count,

    /// <summary>Successes out of a number of trials.</summary>
    Trials,

    /// <summary>One of C classes, numbered from 0.</summary>
    Class,
}
