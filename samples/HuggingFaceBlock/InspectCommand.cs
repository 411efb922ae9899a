using System.Globalization;
using Moe.HuggingFace;
using Spectre.Console;

namespace HuggingFaceBlock;

/// <summary>The table of a checkpoint's blocks.</summary>
internal static class InspectCommand
{
    public static void Execute(string folder, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        if (checkpoint.Blocks.Count == 0)
            _ = checkpoint.Block();
        var table = new Table { Border = TableBorder.Rounded };
        foreach (var header in new[] { "layer", "layout", "experts", "k", "width", "hidden", "shared", "types", "bytes", "parameters", "active" })
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        foreach (var block in checkpoint.Blocks)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var facts = checkpoint.Describe(block);
            table.AddRow([.. new[]
            {
                BlockName.Of(checkpoint, block), Layout(block), $"{facts.Experts}", $"{facts.TopK}", $"{facts.InputWidth}", $"{facts.HiddenWidth}", $"{facts.SharedWidth}",
                string.Join(" ", facts.Types), Text(facts.Bytes), Text(facts.Parameters), Text(facts.ActiveParameters),
            }.Select(Markup.Escape)]);
        }
        var console = Terminal.Create();
        console.WriteLine($"{checkpoint.Family.Name} ({checkpoint.Config.ModelType}), {Text(checkpoint.Tensors.Entries.Count)} tensors");
        Terminal.Write(console, table);
        console.WriteLine("Active: parameters that one token meets; all of the router, its k experts, the shared ones.");
    }

    /// <summary>As convert takes it.</summary>
    private static string Layout(BlockInfo block) => block.Layout switch { BlockLayout.PerExpert => "per-expert", BlockLayout.Fused => "fused", _ => "mxfp4" };

    private static string Text(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
