namespace Moe.Classical;

/// <summary>What a gradient of a layer's output reaches through one of its experts. The gate learns in every case, through the weights on the answers.</summary>
[Flags]
public enum GradientFlow
{
    /// <summary>Nothing: the expert's answers are constants.</summary>
    None = 0,

    /// <summary>The expert's own parameters, which training moves.</summary>
    ToParameters = 1,

    /// <summary>The layer's input, and so the layers before it.</summary>
    ToInput = 2,
}
