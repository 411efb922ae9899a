using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>How a block is loaded.</summary>
public sealed record BlockLoadOptions
{
    /// <summary>The type of the experts' weights. The router is kept in Float32 at least.</summary>
    /// <value>The default is null: that of the file; BFloat16 for quantised weights. Range: Float32, Float64, BFloat16, Float16.</value>
    public ScalarType? Type { get; init; }

    /// <summary>
    /// How the experts' weights are kept in memory, to be decoded when an expert is asked: smaller and slower, for inference. <see cref="WeightCompression.Mxfp4"/> keeps the bytes of a
    /// checkpoint that is published so, without loss.
    /// </summary>
    /// <value>The default is null: as numbers of <see cref="Type"/>, which can be trained.</value>
    public WeightCompression? Compression { get; init; }

    /// <summary>Where the block lives.</summary>
    /// <value>The default is null: the CPU.</value>
    public Device? Device { get; init; }

    /// <summary>Draws noise and jitter while training; torch's global generator when null.</summary>
    public Generator? Generator { get; init; }

    internal void Validate(string parameterName)
    {
        if (Type is { } asked && asked is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16))
            throw new ArgumentException($"Type is {asked}; a block computes in Float32, Float64, BFloat16 or Float16.", parameterName);
    }
}
