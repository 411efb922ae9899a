using Moe.Core;
using ScottPlot;
using SkiaSharp;

namespace RouterZoo;

/// <summary>The picture: how each router spread the load over its experts, epoch by epoch.</summary>
internal static class LoadPlot
{
    private const int Columns = 4;
    private static readonly ScottPlot.TickGenerators.EvenlySpacedMinorTickGenerator NoMinorTicks = new(1);
    private static readonly Color Ink = Color.FromHex("#2b2b33");

    /// <summary>Shades that neighbours can be told apart by, in every kind of colour vision: the experts have no order of importance.</summary>
    private static readonly Color[] ExpertColors =
    [
        .. new[] { "#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73", "#f0e442", "#cc79a7", "#999999", "#2b2b33", "#bbbbbb" }.Select(hex => Color.FromHex(hex)),
    ];

    public static string Save(IReadOnlyList<Outcome> outcomes, string path)
    {
        // What a machine calls its default may be a serif font.
        string[] fonts = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
        Fonts.Default = fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains, Fonts.Default);
        var columns = Math.Min(Columns, outcomes.Count);
        var rows = (outcomes.Count + columns - 1) / columns;
        var picture = new Multiplot();
        picture.AddPlots(outcomes.Count);
        picture.Layout = new ScottPlot.MultiplotLayouts.Grid(rows, columns);
        foreach (var (outcome, index) in outcomes.Select((outcome, index) => (outcome, index)))
            Draw(picture.GetPlot(index), outcome.Name, outcome.Load);
        picture.SavePng(path, 420 * columns, 300 * rows);
        return path;
    }

    private static void Draw(Plot plot, string title, IReadOnlyList<RoutingReport> load)
    {
        double[] epochs = [.. Enumerable.Range(1, load.Count).Select(epoch => (double)epoch)];

        // One epoch is a bar, not a line.
        if (load.Count == 1)
            epochs = [0.5, 1.5];
        RoutingReport[] reports = load.Count == 1 ? [load[0], load[0]] : [.. load];
        var below = new double[epochs.Length];
        for (var expert = 0; expert < load[0].ExpertCount; expert++)
        {
            double[] above = [.. below.Zip(reports, (height, report) => height + 100 * report.Share[expert])];
            var area = plot.Add.FillY(epochs, below, above);
            area.FillColor = ExpertColors[expert % ExpertColors.Length];
            area.LineColor = Colors.White;
            area.LineWidth = 1;
            area.MarkerSize = 0;
            below = above;
        }
        plot.Title(title, 18);
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Color(Ink);
        plot.XLabel("epoch", 14);
        plot.YLabel("load in %", 14);
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.Label.Bold = false;
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { IntegerTicksOnly = true, MinorTickGenerator = NoMinorTicks, TargetTickCount = 5 };
        plot.Axes.Left.SetTicks([0, 50, 100], ["0", "50", "100"]);
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.HideGrid();
        plot.Axes.SetLimits(epochs[0], epochs[^1], 0, 100);
    }
}
