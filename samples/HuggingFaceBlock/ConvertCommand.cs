using Moe.HuggingFace;

namespace HuggingFaceBlock;

/// <summary>Writes a checkpoint in another layout.</summary>
internal static class ConvertCommand
{
    public static void Execute(string folder, string layout, string output, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        var to = layout == "fused" ? BlockLayout.Fused : BlockLayout.PerExpert;
        checkpoint.Convert(to, output, cancellationToken: cancellationToken);
        Console.WriteLine($"{checkpoint.Family.Name}: {checkpoint.Blocks.Count} block{(checkpoint.Blocks.Count == 1 ? "" : "s")} as {layout} in {output}");
        if (to != checkpoint.Family.PublishedLayout && !checkpoint.Family.BothLayoutsAreKnown)
            Console.WriteLine("This family is published in the other layout only: the names in this one are this library's own.");
    }
}
