using Moe.HuggingFace;

namespace HuggingFaceBlock;

/// <summary>Writes a checkpoint in another layout.</summary>
internal static class ConvertCommand
{
    public static void Execute(string folder, string layout, string output, bool decode, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        var to = layout == "fused" ? BlockLayout.Fused : BlockLayout.PerExpert;
        if (decode)
            checkpoint.Decode(output, to, cancellationToken);
        else
            Convert(checkpoint, to, output, cancellationToken);
        Console.WriteLine($"{checkpoint.Family.Name}: {checkpoint.Blocks.Count} block{(checkpoint.Blocks.Count == 1 ? "" : "s")} as {layout} in {output}");
        if (to != checkpoint.Family.PublishedLayout && !checkpoint.Family.BothLayoutsAreKnown)
            Console.WriteLine("This family is published in the other layout only: the names in this one are this library's own.");
    }

    private static void Convert(Checkpoint checkpoint, BlockLayout to, string output, CancellationToken cancellationToken)
    {
        try
        {
            checkpoint.Convert(to, output, cancellationToken);
        }
        catch (NotSupportedException exception)
        {
            throw new NotSupportedException($"{exception.Message} On the command line: --decode.", exception);
        }
    }
}
