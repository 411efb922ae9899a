using ScottPlot;
using SkiaSharp;

namespace MixtureOfRegressions;

/// <summary>The picture: the data with each expert's line and the mixture's band, and below it the gate's weights.</summary>
internal static class Picture
{
    private static readonly Color Ink = Color.FromHex("#2b2b33");
    private static readonly Color Faint = Color.FromHex("#e6e6ea");

    /// <summary>Easy to tell apart in every kind of colour vision (Okabe and Ito 2008).</summary>
    private static readonly Color[] ExpertColors = [.. new[] { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9" }.Select(hex => Color.FromHex(hex))];

    public static void Save(string path, Settings settings, Table table, Fit fit)
    {
        // What a machine calls its default may be a serif font.
        string[] fonts = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
        Fonts.Default = fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains, Fonts.Default);
        var axis = settings.Terms.Concat(settings.GateTerms).FirstOrDefault();
        var positions = axis is null ? [.. Enumerable.Range(0, table.Rows).Select(row => (double)row)] : table[axis];

        // Lines go through the rows in order of x: what other terms are between them, nobody knows.
        int[] order = [.. Enumerable.Range(0, table.Rows).OrderBy(row => positions[row])];
        var curves = Curves.Of(fit, order);
        double[] x = [.. order.Select(row => positions[row])];

        var picture = new Multiplot();
        picture.AddPlots(2);
        picture.Layout = new ScottPlot.MultiplotLayouts.Grid(rows: 2, columns: 1);
        Data(picture.GetPlot(0), settings, x, curves);
        Gate(picture.GetPlot(1), x, curves);
        foreach (var plot in new[] { picture.GetPlot(0), picture.GetPlot(1) })
        {
            Style(plot, axis ?? "row");

            // The same frame for both, so that x lies above x.
            plot.Layout.Fixed(new PixelPadding(left: 90, right: 245, bottom: 60, top: 50));
        }
        picture.SavePng(path, 1200, 1000);
    }

    private static void Data(Plot plot, Settings settings, double[] x, Curves curves)
    {
        var band = plot.Add.FillY(x, curves.Lower, curves.Upper);
        band.FillColor = Faint.WithAlpha(0.6);
        band.LineWidth = 0;
        band.MarkerSize = 0;
        band.LegendText = "90 % of responses";
        var points = plot.Add.ScatterPoints(x, curves.Response);
        points.Color = Ink.WithAlpha(0.55);
        points.MarkerSize = 7;
        for (var expert = 0; expert < curves.Means.Length; expert++)
        {
            var line = plot.Add.ScatterLine(x, curves.Means[expert]);
            line.Color = ColorOf(expert);
            line.LineWidth = 3;
            line.LegendText = $"expert {expert + 1}";
        }
        plot.Title($"Mixture of {curves.Means.Length} regressions", 22);
        plot.YLabel(settings.Trials is null ? settings.Response : $"{settings.Response} / {settings.Trials}", 18);

        // A line of an expert that has no say here may leave the data far behind.
        var (low, high) = (Math.Min(curves.Response.Min(), curves.Lower.Min()), Math.Max(curves.Response.Max(), curves.Upper.Max()));
        var margin = Math.Max(high - low, 1e-9) * 0.06;
        plot.Axes.SetLimits(x[0], x[^1], low - margin, high + margin);
        plot.ShowLegend(Edge.Right);
        Legend(plot);
    }

    private static void Gate(Plot plot, double[] x, Curves curves)
    {
        for (var expert = 0; expert < curves.Gates.Length; expert++)
        {
            var line = plot.Add.ScatterLine(x, curves.Gates[expert]);
            line.Color = ColorOf(expert);
            line.LineWidth = 3;
            line.LegendText = $"expert {expert + 1}";
        }
        plot.Title("The gate: who answers", 22);
        plot.YLabel("probability", 18);
        plot.Axes.SetLimits(x[0], x[^1], -0.03, 1.03);
        plot.ShowLegend(Edge.Right);
        Legend(plot);
    }

    private static void Legend(Plot plot)
    {
        plot.Legend.FontSize = 16;
        plot.Legend.OutlineColor = Faint;
        plot.Legend.ShadowColor = Colors.Transparent;
    }

    private static void Style(Plot plot, string xLabel)
    {
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Color(Ink);
        plot.Grid.MajorLineColor = Faint;
        plot.XLabel(xLabel, 18);
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        foreach (var axis in new IAxis[] { plot.Axes.Bottom, plot.Axes.Left })
        {
            axis.TickLabelStyle.FontSize = 16;
            axis.Label.Bold = false;
        }
    }

    private static Color ColorOf(int expert) => ExpertColors[expert % ExpertColors.Length];
}
