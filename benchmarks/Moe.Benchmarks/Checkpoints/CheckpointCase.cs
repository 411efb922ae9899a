using Moe.Benchmarks.Measured;
using Moe.Benchmarks.Ratios;
using Moe.HuggingFace;

namespace Moe.Benchmarks.Checkpoints;

/// <summary>A block that is loaded, against its file being read. What is compared is measured in turns, and the file lies in the system's memory.</summary>
/// <param name="id">What <c>--cases</c> is compared with.</param>
/// <param name="layout">How it is stored.</param>
/// <param name="type">The type of its numbers.</param>
/// <param name="experts">How many experts.</param>
/// <param name="width">Of tokens.</param>
/// <param name="hidden">Inside an expert.</param>
internal sealed class CheckpointCase(string id, BlockLayout layout, ElementType type, int experts, int width, int hidden) : MeasuredCase(id)
{
    private const double MostTime = 2;
    private const double MostMemory = 1.2;

    public static IReadOnlyList<CheckpointCase> All { get; } =
    [
        new("float32/64x1024x512", BlockLayout.PerExpert, ElementType.Float32, 64, 1024, 512),
        new("bfloat16/64x1024x512", BlockLayout.PerExpert, ElementType.BFloat16, 64, 1024, 512),
        new("float32-fused/64x1024x512", BlockLayout.Fused, ElementType.Float32, 64, 1024, 512),
        new($"{Smoke}/4x16x8", BlockLayout.PerExpert, ElementType.Float32, 4, 16, 8),
    ];

    /// <summary>The cases that are meant; that of the smoke test only where the pattern names it.</summary>
    /// <param name="patterns">Parts of ids, in which * stands for anything; all but the smoke test when there is none.</param>
    public static IReadOnlyList<CheckpointCase> Matching(IReadOnlyList<string> patterns) => Matching(All, patterns);

    /// <summary>Measures.</summary>
    /// <param name="parent">Where the file may lie for a while.</param>
    /// <param name="seconds">Time for the rounds; there are at least three.</param>
    /// <param name="cancellation">Ends it between two rounds.</param>
    public IReadOnlyList<MeasuredRow> Measure(string parent, double seconds, CancellationToken cancellation)
    {
        using var block = new BlockFolder(parent, layout, type, experts, width, hidden);
        var plain = new PlainReading(block.FileName);
        var (loading, again, fresh) = (new List<double>(), new List<double>(), new List<double>());
        Rounds.Run(seconds, Round, cancellation);
        var limit = MostTime * Quartiles.Of(again).Median;
        return
        [
            Row("loading the block", loading, "ms", "reading its file into 4 MB again and again", again, IsSmoke ? null : limit),
            Row("loading the block", loading, "ms", "reading its file into fresh memory of its size", fresh),
            .. Peak(block),
        ];

        void Round(bool counts)
        {
            var againTime = Rounds.Time(plain.IntoOneBuffer);
            var freshTime = Rounds.Time(plain.IntoFreshMemory);
            var loadTime = Rounds.Time(block.Load);
            if (!counts)
                return;
            again.Add(againTime);
            fresh.Add(freshTime);
            loading.Add(loadTime);
        }
    }

    private IEnumerable<MeasuredRow> Peak(BlockFolder block)
    {
        if (!ResidentMemory.IsTold)
            yield break;
        var peak = ResidentMemory.PeakOf(block.Load);
        yield return Row("peak of memory while the block is loaded", [peak], "B", "bytes of its tensors", [block.Bytes], IsSmoke ? null : MostMemory * block.Bytes);
    }
}
