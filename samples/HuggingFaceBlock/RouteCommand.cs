using System.Globalization;
using Moe.Core;
using Moe.HuggingFace;
using Spectre.Console;
using static TorchSharp.torch;

namespace HuggingFaceBlock;

/// <summary>Which expert gets how many tokens: a table and a picture.</summary>
internal static class RouteCommand
{
    public static void Execute(string folder, int? layer, string inputPath, string picturePath, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        var place = checkpoint.Block(layer);
        var input = Input.Read(inputPath, checkpoint.Describe(place).InputWidth);
        using var block = checkpoint.Load(place, new BlockLoadOptions { Type = input.Tokens.dtype }, cancellationToken);
        using var constant = no_grad();
        var report = RoutingReport.From(block.Layer.ForwardWithRouting(input.Tokens).Routing);

        var console = Terminal.Create();
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle(Markup.Escape($"{checkpoint.Family.Name}, {place.Beginning} {report.Tokens:N0} tokens, {report.TopK} experts each")) };
        foreach (var header in new[] { "expert", "tokens", "share", "" })
            table.AddColumn(new TableColumn(header).RightAligned().NoWrap());
        table.Columns[^1].LeftAligned();
        for (var expert = 0; expert < report.ExpertCount; expert++)
        {
            var bar = new string('█', (int)Math.Round(40 * report.Share[expert] / report.Share.Max()));
            table.AddRow($"{expert}", report.Load[expert].ToString("N0", CultureInfo.InvariantCulture), (100 * report.Share[expert]).ToString("0.0", CultureInfo.InvariantCulture) + " %", bar);
        }
        table.Caption = new TableTitle(string.Create(
            CultureInfo.InvariantCulture,
            $"Busiest over mean {report.MaxOverMean:0.00}, coefficient of variation {report.CoefficientOfVariation:0.00}, never asked {report.DeadExperts.Count}, dropped {100 * report.DroppedShare:0.0} %."));
        LoadPlot.Save(report, $"{checkpoint.Family.Name}, layer {place.Layer}", picturePath);
        console.Write(table);
        Console.WriteLine($"wrote {picturePath}");
    }
}
