namespace Moe.HuggingFace;

/// <summary>What the settings of a checkpoint say of quantisation: the tensors alone do not show all of it.</summary>
internal static class QuantisationSettings
{
    /// <summary>Where they say it.</summary>
    public const string Field = "quantization_config";

    /// <summary>Small matrices have one scale whatever the size of its squares is: the settings must not say another.</summary>
    /// <exception cref="InvalidDataException">They do.</exception>
    public static void RequireSquares(ModelConfig config)
    {
        const string Size = "weight_block_size";
        if (config.Has(Field) && config.Part(Field) is var own && own.Has(Size) && !own.Counts(Size).AsSpan().SequenceEqual([BlockScaledFloat8.BlockSize, BlockScaledFloat8.BlockSize]))
            throw own.Wrong(Size, $"[{BlockScaledFloat8.BlockSize}, {BlockScaledFloat8.BlockSize}]");
    }

    /// <summary>What is not known cannot be decoded, and must not be copied as if it were.</summary>
    /// <exception cref="NotSupportedException">They name a method that is not known.</exception>
    public static void RequireKnownMethod(ModelConfig config)
    {
        const string Method = "quant_method", Float8 = "fp8", Mxfp4 = "mxfp4";
        if (config.Has(Field) && config.Part(Field).Text(Method, Float8) is var method && method is not (Float8 or Mxfp4))
            throw new NotSupportedException($"{Field} says {Method} \"{method}\"; {Float8} and {Mxfp4} can be decoded.");
    }
}
