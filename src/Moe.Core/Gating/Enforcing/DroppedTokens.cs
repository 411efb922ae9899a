namespace Moe.Core;

/// <summary>What a token gets all of whose experts were full. Shared experts answer it in any case.</summary>
public enum DroppedTokens
{
    /// <summary>0, so that a residual connection around the layer carries it on (Switch, GShard).</summary>
    Zero,

    /// <summary>Itself, for layers without such a connection. Needs an output as wide as the input.</summary>
    PassThrough,
}
