using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>What a factory is asked to make a router for.</summary>
public sealed class RouterContractCase
{
    internal RouterContractCase(long inputWidth, int expertCount, ScalarType type, ulong seed, Generator generator)
    {
        InputWidth = inputWidth;
        ExpertCount = expertCount;
        Type = type;
        Seed = seed;
        Generator = generator;
    }

    /// <summary>D, the width of the tokens.</summary>
    public long InputWidth { get; }

    /// <summary>E. A router that sends tokens to K experts sends them to min(K, E).</summary>
    public int ExpertCount { get; }

    /// <summary>The type of the parameters: Float32 or Float64.</summary>
    public ScalarType Type { get; }

    /// <summary>What the random numbers of this case begin with.</summary>
    public ulong Seed { get; }

    /// <summary>Draws the router's first weights. Owned by the contract.</summary>
    public Generator Generator { get; }
}
