namespace Moe.Classical;

/// <summary>How the learning rate falls from the first step of a gradient training to the last.</summary>
public enum RateDecay
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>In a straight line.</summary>
    Linear,

    /// <summary>Along half a cosine wave (Loshchilov and Hutter 2017, eq. 5, without restarts): slowly at both ends.</summary>
    Cosine,
}
