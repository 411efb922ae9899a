using System.Globalization;
using Moe.Core;
using Moe.HuggingFace;
using Spectre.Console;
using static TorchSharp.torch;

namespace HuggingFaceBlock;

/// <summary>Which expert gets how many tokens: a table and a picture.</summary>
internal static class RouteCommand
{
    public static void Execute(string folder, string? layer, string inputPath, string picturePath, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        var place = BlockName.Find(checkpoint, layer);
        OutputPlace.Require(picturePath, inputPath, folder);
        var tokens = Input.ReadTokens(inputPath, checkpoint.Describe(place).InputWidth);
        using var block = checkpoint.Load(place, new BlockLoadOptions { Type = tokens.dtype }, cancellationToken);
        using var constant = no_grad();
        var report = RoutingReport.From(block.Layer.ForwardWithRouting(tokens).Routing);

        var console = Terminal.Create();
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle(Markup.Escape($"{checkpoint.Family.Name}, {BlockName.Beginning(place)}: {report.Tokens:N0} tokens, {report.TopK} experts each")) };
        foreach (var header in new[] { "expert", "tokens", "share", "" })
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        table.Columns[^1].LeftAligned();
        for (var expert = 0; expert < report.ExpertCount; expert++)
        {
            var bar = new string('█', (int)Math.Round(40 * report.Share[expert] / report.Share.Max()));
            table.AddRow($"{expert}", report.Load[expert].ToString("N0", CultureInfo.InvariantCulture), (100 * report.Share[expert]).ToString("0.0", CultureInfo.InvariantCulture) + " %", bar);
        }
        cancellationToken.ThrowIfCancellationRequested();
        LoadPlot.Save(report, $"{checkpoint.Family.Name}, layer {BlockName.Of(checkpoint, place)}", picturePath);
        Terminal.Write(console, table);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Busiest over mean {report.MaxOverMean:0.00}, coefficient of variation {report.CoefficientOfVariation:0.00}, never asked {report.DeadExperts.Count}, dropped {100 * report.DroppedShare:0.0} %."));
        Console.WriteLine($"wrote {picturePath}");
    }
}
