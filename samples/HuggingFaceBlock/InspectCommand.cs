using System.Globalization;
using Moe.HuggingFace;
using Spectre.Console;

namespace HuggingFaceBlock;

/// <summary>The table of a checkpoint's blocks.</summary>
internal static class InspectCommand
{
    public static void Execute(string folder)
    {
        using var checkpoint = Checkpoint.Open(folder);
        if (checkpoint.Blocks.Count == 0)
            _ = checkpoint.Block();
        var table = new Table { Border = TableBorder.Rounded };
        foreach (var header in new[] { "layer", "layout", "experts", "k", "width", "hidden", "shared", "types", "bytes", "parameters", "active" })
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        foreach (var block in checkpoint.Blocks)
        {
            var facts = checkpoint.Describe(block);
            table.AddRow([.. new[]
            {
                $"{block.Layer}", $"{block.Layout}", $"{facts.Experts}", $"{facts.TopK}", $"{facts.InputWidth}", $"{facts.HiddenWidth}", $"{facts.SharedWidth}",
                string.Join(" ", facts.Types), Text(facts.Bytes), Text(facts.Parameters), Text(facts.ActiveParameters),
            }.Select(Markup.Escape)]);
        }
        table.Caption = new TableTitle("Active: parameters that one token meets; all of the router, its k experts, the shared ones.");
        var console = Terminal.Create();
        console.WriteLine($"{checkpoint.Family.Name} ({checkpoint.Config.ModelType}), {Text(checkpoint.Tensors.Entries.Count)} tensors");
        console.Write(table);
    }

    private static string Text(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
