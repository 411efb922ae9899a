using Moe.Core;
using Moe.Training;
using ScottPlot;
using SkiaSharp;

namespace HuggingFaceBlock;

/// <summary>The picture: each expert's share of the tokens, beside the share that all would have if they had the same.</summary>
internal static class LoadPlot
{
    private static readonly Color Ink = Color.FromHex("#2b2b33");
    private static readonly Color Fill = Color.FromHex("#0072b2");

    public static void Save(RoutingReport report, string title, string path)
    {
        // What a machine calls its default may be a serif font.
        string[] fonts = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
        Fonts.Default = fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains, Fonts.Default);
        using var plot = new Plot();
        var bars = plot.Add.Bars([.. Enumerable.Range(0, report.ExpertCount).Select(expert => (double)expert)], [.. report.Share.Select(share => 100 * share)]);
        foreach (var bar in bars.Bars)
        {
            bar.FillColor = Fill;
            bar.LineWidth = 0;
        }
        var even = plot.Add.HorizontalLine(100.0 / report.ExpertCount, 2, Ink, LinePattern.Dashed);
        even.LegendText = "all the same";
        plot.Title(title, 20);
        plot.XLabel("expert", 15);
        plot.YLabel("share of assignments in %", 15);
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.Label.Bold = false;
        plot.Axes.Color(Ink);
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { IntegerTicksOnly = true, MinorTickGenerator = new ScottPlot.TickGenerators.EvenlySpacedMinorTickGenerator(1) };
        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { TargetTickCount = 5, MinorTickGenerator = new ScottPlot.TickGenerators.EvenlySpacedMinorTickGenerator(1) };
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.HideGrid();
        plot.Axes.SetLimits(-0.8, report.ExpertCount - 0.2, 0, Math.Max(100 * report.Share.Max(), 100.0 / report.ExpertCount) * 1.2);
        plot.ShowLegend(Alignment.UpperRight);
        var picture = plot.GetImageBytes(1000, 500, ImageFormat.Png);
        AtomicFile.Write(path, stream => stream.Write(picture));
    }
}
