using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>One call of torch's grouped matrix product, which takes the ends of the groups instead of a product an expert.</summary>
/// <remarks>Float32 and BFloat16; rows of all matrices start at multiples of 16 bytes; no biases. On the CPU it is no faster than segments.</remarks>
internal sealed class GroupedProducts : StackProducts
{
    /// <summary>The text of the function.</summary>
    public const string Script = """
        def grouped_product(rows, weight, ends):
            return torch._grouped_mm(rows, weight.transpose(1, 2), ends)

        """;

    private const long Alignment = 16;

    public static GroupedProducts Instance { get; } = new();

    public override string Name => "grouped";

    /// <summary>Whether torch's product takes such experts.</summary>
    public static bool Takes(StackedExperts stack, Tensor rows) =>
        rows.dtype is ScalarType.Float32 or ScalarType.BFloat16
        && stack.Recipe.Weights.All(weight => weight.FanIn > 0 && weight.Shape.All(length => length * rows.ElementSize % Alignment == 0));

    public override Tensor Answer(StackedExperts stack, Tensor rows, ReadOnlySpan<long> counts)
    {
        var ends = new int[counts.Length];
        for (var expert = 0; expert < ends.Length; expert++)
            ends[expert] = (int)counts[expert] + (expert > 0 ? ends[expert - 1] : 0);
        var onDevice = tensor(ends, device: rows.device);
        return stack.Recipe.Compute(
            rows.contiguous(), (input, weight, _) => TorchScript.Call("grouped_product", input.contiguous(), stack.Weight(weight), onDevice)) * Dense(rows);
    }

    /// <summary>1, which makes the gradient that comes back dense: the product refuses one that is a single number seen everywhere.</summary>
    private static Tensor Dense(Tensor rows) => ones([], dtype: rows.dtype, device: rows.device);
}
