namespace Moe.Core;

/// <summary>How a capacity becomes a whole number.</summary>
public enum CapacityRounding
{
    /// <summary>Up (GShard, Switch, DeepSpeed, Megatron).</summary>
    Up,

    /// <summary>Down (MegaBlocks, st-moe-pytorch).</summary>
    Down,

    /// <summary>To the nearest, halves to the even one (V-MoE).</summary>
    Nearest,
}
