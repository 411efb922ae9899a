using ScottPlot;
using SkiaSharp;
using static TorchSharp.torch;

namespace ExpertsVersusEnsemble;

/// <summary>The picture of who answers where: by class, along the one input, or over the two directions in which the rows differ most.</summary>
internal static class Picture
{
    private static readonly Color Ink = Color.FromHex("#2b2b33");
    private static readonly Color Faint = Color.FromHex("#e6e6ea");

    /// <summary>Easy to tell apart in every kind of colour vision (Okabe and Ito 2008).</summary>
    private static readonly Color[] ExpertColors = [.. new[] { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#999999" }.Select(hex => Color.FromHex(hex))];

    public static void Save(string path, Settings settings, Problem problem, Contest contest)
    {
        // What a machine calls its default may be a serif font.
        string[] fonts = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
        Fonts.Default = fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains, Fonts.Default);
        using var scope = NewDisposeScope();
        using var plot = new Plot();
        var (inputs, gates) = contest.Judged;
        if (settings.IsClassification)
            ByClass(plot, settings, problem, gates, problem.Data.Response.Values.index_select(0, contest.JudgedRows));
        else if (problem.Names.Count == 1)
            Along(plot, settings, problem.Names[0], Numbers(problem.Data.Inputs), contest.LastGates());
        else
            Over(plot, settings, inputs, gates);
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Color(Ink);
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        foreach (var axis in new IAxis[] { plot.Axes.Bottom, plot.Axes.Left })
        {
            axis.TickLabelStyle.FontSize = 16;
            axis.Label.Bold = false;
        }
        plot.SavePng(path, 1100, settings.IsClassification ? 180 + (70 * settings.Experts.Count) : 700);
    }

    /// <summary>The gate's mean weight on each expert, by true class.</summary>
    private static void ByClass(Plot plot, Settings settings, Problem problem, Tensor gates, Tensor labels)
    {
        var (experts, classes) = (settings.Experts.Count, problem.Classes.Count);
        var weights = Numbers(gates);
        var truth = Numbers(labels);
        var cells = new double[experts, classes];
        for (var label = 0; label < classes; label++)
        {
            int[] rows = [.. Enumerable.Range(0, truth.Length).Where(row => (int)truth[row] == label)];
            for (var expert = 0; expert < experts; expert++)
                cells[expert, label] = rows.Length == 0 ? 0 : 100 * rows.Average(row => weights[(row * experts) + expert]);
        }
        var map = plot.Add.Heatmap(cells);
        map.Colormap = new ScottPlot.Colormaps.Blues().Reversed();
        map.ManualRange = new ScottPlot.Range(0, 100);
        for (var expert = 0; expert < experts; expert++)
        {
            for (var label = 0; label < classes; label++)
            {
                if (cells[expert, label] < 0.5 || classes > 30)
                    continue;
                var text = plot.Add.Text($"{cells[expert, label]:0}", label, experts - 1 - expert);
                text.LabelFontSize = 16;
                text.LabelFontColor = cells[expert, label] > 50 ? Colors.White : Ink;
                text.LabelAlignment = Alignment.MiddleCenter;
            }
        }
        plot.HideGrid();
        plot.Title("Who answers: the gate's mean weight by class, in % (rows never seen)", 20);
        plot.XLabel(settings.Response, 18);
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, classes).Select(label => (double)label)], [.. problem.Classes]);
        plot.Axes.Left.SetTicks([.. Enumerable.Range(0, experts).Select(expert => (double)(experts - 1 - expert))], [.. settings.Experts]);
        plot.Axes.Margins(0, 0);
    }

    /// <summary>The gate's weights along the one input, one above the other: of one mixture, since each fold's draws its borders elsewhere.</summary>
    private static void Along(Plot plot, Settings settings, string name, double[] positions, Tensor gates)
    {
        var experts = settings.Experts.Count;
        var weights = Numbers(gates);
        int[] order = [.. Enumerable.Range(0, positions.Length).OrderBy(row => positions[row])];
        double[] x = [.. order.Select(row => positions[row])];
        var below = new double[x.Length];
        for (var expert = 0; expert < experts; expert++)
        {
            double[] above = [.. order.Select((row, place) => below[place] + (100 * weights[(row * experts) + expert]))];
            var area = plot.Add.FillY(x, below, above);
            area.FillColor = ColorOf(expert);
            area.LineWidth = 0;
            area.MarkerSize = 0;
            area.LegendText = settings.Experts[expert];
            below = above;
        }
        plot.Title("Who answers: the gate's weights (mixture of the last fold)", 20);
        plot.XLabel(name, 18);
        plot.YLabel("weight in %", 18);
        plot.Axes.SetLimits(x[0], x[^1], 0, 100);
        Legend(plot);
    }

    /// <summary>Each row where it lies among the others, in the colour of the expert with the greatest weight.</summary>
    private static void Over(Plot plot, Settings settings, Tensor inputs, Tensor gates)
    {
        var centred = (inputs - inputs.mean([0], keepdim: true)) / inputs.std(0, unbiased: false, keepdim: true).clamp_min(1e-12);
        var (_, _, directions) = linalg.svd(centred, fullMatrices: false);
        var places = centred.matmul(directions.narrow(0, 0, 2).t());
        var (x, y) = (Numbers(places.select(1, 0)), Numbers(places.select(1, 1)));
        var best = gates.argmax(1).data<long>().ToArray();
        for (var expert = 0; expert < settings.Experts.Count; expert++)
        {
            int[] own = [.. Enumerable.Range(0, best.Length).Where(row => best[row] == expert)];
            if (own.Length == 0)
                continue;
            var points = plot.Add.ScatterPoints(own.Select(row => x[row]).ToArray(), own.Select(row => y[row]).ToArray());
            points.Color = ColorOf(expert);
            points.MarkerSize = 7;
            points.LegendText = $"{settings.Experts[expert]} ({own.Length})";
        }
        plot.Title("Who answers: the expert with the greatest weight (rows never seen)", 20);
        plot.XLabel("first principal direction of the inputs", 18);
        plot.YLabel("second", 18);
        plot.Grid.MajorLineColor = Faint;
        Legend(plot);
    }

    private static void Legend(Plot plot)
    {
        plot.ShowLegend(Edge.Right);
        plot.Legend.FontSize = 16;
        plot.Legend.OutlineColor = Faint;
        plot.Legend.ShadowColor = Colors.Transparent;
    }

    private static Color ColorOf(int expert) => ExpertColors[expert % ExpertColors.Length];

    private static double[] Numbers(Tensor values) => values.contiguous().data<double>().ToArray();
}
