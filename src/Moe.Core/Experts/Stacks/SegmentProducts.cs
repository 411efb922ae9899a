using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>One product an expert, on its segment of the rows. Every device and every type; experts without rows cost nothing.</summary>
internal sealed class SegmentProducts : StackProducts
{
    public static SegmentProducts Instance { get; } = new();

    public override string Name => "segments";

    public override Tensor Answer(StackedExperts stack, Tensor rows, ReadOnlySpan<long> counts)
    {
        var weights = stack.Slices();
        var answers = new List<Tensor>(counts.Length);
        var start = 0L;
        for (var expert = 0; expert < counts.Length; expert++)
        {
            if (counts[expert] > 0)
                answers.Add(stack.Recipe.Compute(rows.narrow(0, start, counts[expert]), weights[expert]));
            start += counts[expert];
        }
        return answers.Count == 1 ? answers[0] : cat(answers);
    }
}
