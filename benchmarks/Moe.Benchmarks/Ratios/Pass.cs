namespace Moe.Benchmarks.Ratios;

/// <summary>What is timed.</summary>
internal enum Pass
{
    /// <summary>Without gradients, the layer in evaluation.</summary>
    Forward,

    /// <summary>Gradients set to null, forward, loss, backward.</summary>
    Train,
}
