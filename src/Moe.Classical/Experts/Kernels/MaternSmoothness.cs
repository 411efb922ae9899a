namespace Moe.Classical;

/// <summary>ν of a Matérn kernel: how often the functions can be differentiated.</summary>
public enum MaternSmoothness
{
    /// <summary>ν = 1/2: continuous, rough.</summary>
    Half,

    /// <summary>ν = 3/2: once.</summary>
    ThreeHalves,

    /// <summary>ν = 5/2: twice.</summary>
    FiveHalves,
}
