using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>One batched product for all experts, on rows padded to the most that an expert has. Good where loads are even, as with a fixed capacity.</summary>
internal sealed class PaddedProducts : StackProducts
{
    public static PaddedProducts Instance { get; } = new();

    public override string Name => "padded";

    public override Tensor Answer(StackedExperts stack, Tensor rows, ReadOnlySpan<long> counts)
    {
        var most = 0L;
        foreach (var count in counts)
            most = Math.Max(most, count);
        var places = Places(counts, most, rows);
        var padded = places.size(0) == counts.Length * most
            ? rows
            : zeros(counts.Length * most, rows.size(1), dtype: rows.dtype, device: rows.device).index_copy(0, places, rows);
        var answers = stack.Recipe.Compute(padded.reshape(counts.Length, most, -1), (input, weight, bias) =>
        {
            var transposed = stack.Weight(weight).transpose(1, 2);
            return bias is { } number ? input.baddbmm(transposed, stack.Weight(number).unsqueeze(1)) : input.bmm(transposed);
        });
        var byRow = answers.reshape(counts.Length * most, -1);
        return ReferenceEquals(padded, rows) ? byRow : Rows.Pick(byRow, places);
    }

    /// <summary>Where each row goes among the padded ones, [n].</summary>
    private static Tensor Places(ReadOnlySpan<long> counts, long most, Tensor rows)
    {
        var places = new long[rows.size(0)];
        var next = 0;
        for (var expert = 0; expert < counts.Length; expert++)
        {
            for (var row = 0L; row < counts[expert]; row++)
                places[next++] = (expert * most) + row;
        }
        return tensor(places, device: rows.device);
    }
}
