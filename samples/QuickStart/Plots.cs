using System.Globalization;
using Moe.Training;
using ScottPlot;
using SkiaSharp;

namespace QuickStart;

/// <summary>The pictures.</summary>
internal static class Plots
{
    private static readonly Color Ink = Color.FromHex("#2b2b33");
    private static readonly Color Faint = Color.FromHex("#e6e6ea");
    private static readonly ScottPlot.TickGenerators.EvenlySpacedMinorTickGenerator NoMinorTicks = new(1);

    /// <summary>One colour a model, easy to tell apart in every kind of colour vision (Okabe and Ito 2008).</summary>
    private static readonly Color[] ModelColors = [Color.FromHex("#0072b2"), Color.FromHex("#d55e00"), Color.FromHex("#009e73")];

    /// <summary>Draws everything into a folder, and says where.</summary>
    public static IEnumerable<string> Save(string folder, IReadOnlyList<Outcome> outcomes, Routes routes, Digits digits)
    {
        Directory.CreateDirectory(folder);

        // What a machine calls its default may be a serif font.
        string[] fonts = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
        Fonts.Default = fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains, Fonts.Default);
        yield return TrainingCurves(outcomes, Path.Combine(folder, "training-curves.png"));
        yield return ExpertByDigit(routes, Path.Combine(folder, "expert-by-digit.png"));
        yield return SampleImages(routes, digits, Path.Combine(folder, "sample-images.png"));
    }

    /// <summary>Loss and error by epoch, means over the folds.</summary>
    private static string TrainingCurves(IReadOnlyList<Outcome> outcomes, string path)
    {
        var picture = new Multiplot();
        picture.AddPlots(2);
        picture.Layout = new ScottPlot.MultiplotLayouts.Grid(rows: 1, columns: 2);
        var folds = outcomes[0].Trainings.Count == 1 ? "fold 1" : $"mean of {outcomes[0].Trainings.Count} folds";
        Curves(picture.GetPlot(0), $"Training ({folds})", "cross-entropy, labels smoothed", outcomes, epoch => epoch.TaskLoss);
        Curves(picture.GetPlot(1), $"Images never seen ({folds})", "wrong answers in %", outcomes, epoch => 100 * (1 - epoch.Validation!.Metrics[Metric.Accuracy.Name]));
        picture.SavePng(path, 1500, 620);
        return path;
    }

    private static void Curves(Plot plot, string title, string unit, IReadOnlyList<Outcome> outcomes, Func<EpochReport, double> value)
    {
        var epochs = outcomes[0].Trainings[0].Epochs.Count;
        var top = 0.0;
        foreach (var (outcome, color) in outcomes.Zip(ModelColors))
        {
            var means = Enumerable.Range(0, epochs).Select(epoch => outcome.Trainings.Average(training => value(training.Epochs[epoch]))).ToArray();
            var curve = plot.Add.Scatter(Enumerable.Range(1, epochs).Select(epoch => (double)epoch).ToArray(), means);
            curve.Color = color;
            curve.LineWidth = 3;
            curve.MarkerSize = epochs < 5 ? 10 : 0;
            curve.LegendText = outcome.Name;

            // The first epochs are off the scale: what matters is how it ends.
            top = Math.Max(top, means[Math.Min(epochs - 1, 2)]);
        }
        Style(plot, title);
        plot.XLabel("epoch", 20);
        plot.YLabel(unit, 20);
        plot.ShowLegend(Alignment.UpperRight);
        plot.Legend.FontSize = 20;
        plot.Legend.OutlineColor = Faint;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { IntegerTicksOnly = true, MinorTickGenerator = NoMinorTicks };
        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { MinorTickGenerator = NoMinorTicks };
        plot.Axes.SetLimits(0, epochs + 1, 0, Math.Max(top, 1e-3) * 1.1);
    }

    /// <summary>The gate's mean weight on each expert, by digit.</summary>
    private static string ExpertByDigit(Routes routes, string path)
    {
        using var plot = new Plot();
        var order = routes.ExpertsInOrder;
        var cells = new double[order.Length, Digits.Classes];
        for (var row = 0; row < order.Length; row++)
        {
            for (var digit = 0; digit < Digits.Classes; digit++)
                cells[row, digit] = 100 * routes.ByDigit[order[row]][digit];
        }
        var map = plot.Add.Heatmap(cells);
        map.Colormap = new ScottPlot.Colormaps.Blues().Reversed();
        map.ManualRange = new ScottPlot.Range(0, 100);
        for (var row = 0; row < order.Length; row++)
        {
            for (var digit = 0; digit < Digits.Classes; digit++)
            {
                if (cells[row, digit] < 0.5)
                    continue;
                var text = plot.Add.Text(cells[row, digit].ToString("0", CultureInfo.InvariantCulture), digit, order.Length - 1 - row);
                text.LabelFontSize = 18;
                text.LabelFontColor = cells[row, digit] > 50 ? Colors.White : Ink;
                text.LabelAlignment = Alignment.MiddleCenter;
            }
        }
        Style(plot, "Which expert answers for which digit (images never seen)");
        plot.HideGrid();
        plot.XLabel("digit", 20);
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, Digits.Classes).Select(digit => (double)digit)], [.. Enumerable.Range(0, Digits.Classes).Select(digit => $"{digit}")]);
        plot.Axes.Left.SetTicks(
            [.. Enumerable.Range(0, order.Length).Select(row => (double)(order.Length - 1 - row))],
            [.. order.Select(expert => string.Create(CultureInfo.InvariantCulture, $"expert {expert}  ({routes.Report.Share[expert]:0%} of load)"))]);
        plot.Axes.Margins(0, 0);
        var bar = plot.Add.ColorBar(map);
        bar.Label = "mean weight given by the gate, in %";
        bar.LabelStyle.FontSize = 20;
        bar.LabelStyle.Bold = false;
        bar.LabelStyle.ForeColor = Ink;
        bar.Axis.TickLabelStyle.FontSize = 18;
        bar.Axis.TickGenerator = new ScottPlot.TickGenerators.NumericFixedInterval(20);
        plot.SavePng(path, 1100, 160 + 70 * Math.Max(order.Length, 4));
        return path;
    }

    /// <summary>For each expert, images that the gate gave to it before all others.</summary>
    private static string SampleImages(Routes routes, Digits digits, string path)
    {
        const int PerExpert = 12;
        const double StepX = Digits.Side + 2.5;
        const double StepY = Digits.Side + 4;
        const double PixelsPerUnit = 11;
        using var plot = new Plot();
        var order = routes.ExpertsInOrder;
        var pixels = digits.Images.data<float>().ToArray();
        for (var row = 0; row < order.Length; row++)
        {
            var expert = order[row];
            var own = Enumerable.Range(0, routes.Rows.Length).Where(image => routes.Weights[image].Max() == routes.Weights[image][expert]).ToArray();

            // Evenly through all of them, in the order of the data: chosen by nobody.
            foreach (var column in Enumerable.Range(0, Math.Min(PerExpert, own.Length)))
            {
                var image = own[column * own.Length / Math.Min(PerExpert, own.Length)];
                var (left, top) = (column * StepX, -row * StepY);
                Draw(plot, pixels, routes.Rows[image], left, top);
                var right = routes.Predicted[image] == digits.Labels[routes.Rows[image]];
                var frame = plot.Add.Rectangle(left - 0.5, left + Digits.Side - 0.5, top + 0.5, top - Digits.Side + 0.5);
                frame.FillColor = Colors.Transparent;
                frame.LineColor = right ? Faint : ModelColors[1];
                frame.LineWidth = right ? 1 : 4;
                var weight = routes.Weights[image][expert];
                var caption = plot.Add.Text(string.Create(CultureInfo.InvariantCulture, $"{routes.Predicted[image]}  ({weight:0%})"), left + Digits.Side / 2.0 - 0.5, top - Digits.Side);
                caption.LabelFontSize = 15;
                caption.LabelFontColor = right ? Ink : ModelColors[1];
                caption.LabelAlignment = Alignment.UpperCenter;
            }
        }
        Style(plot, "What each expert is asked: images never seen, the answer, the gate's weight (wrong answers are framed)");
        plot.HideGrid();
        plot.Axes.Bottom.IsVisible = false;
        plot.Axes.Left.SetTicks(
            [.. Enumerable.Range(0, order.Length).Select(row => -row * StepY - Digits.Side / 2.0 + 0.5)],
            [.. order.Select(expert => $"expert {expert}")]);
        plot.Axes.Left.FrameLineStyle.Width = 0;
        plot.Axes.Left.MajorTickStyle.Length = 0;
        var (width, height) = (PerExpert * StepX, order.Length * StepY + 1);
        plot.Axes.SetLimits(-1.5, width - 1.5, 1 - height, 1);
        plot.Layout.Fixed(new PixelPadding(left: 120, right: 10, bottom: 10, top: 60));
        plot.SavePng(path, (int)(PixelsPerUnit * width) + 130, (int)(PixelsPerUnit * height) + 70);
        return path;
    }

    private static void Draw(Plot plot, float[] pixels, int image, double left, double top)
    {
        var ink = new double[Digits.Side, Digits.Side];
        for (var pixel = 0; pixel < Digits.Pixels; pixel++)
            ink[pixel / Digits.Side, pixel % Digits.Side] = pixels[image * Digits.Pixels + pixel];
        var map = plot.Add.Heatmap(ink);
        map.Colormap = new ScottPlot.Colormaps.Grayscale().Reversed();
        map.ManualRange = new ScottPlot.Range(0, 1);
        map.Smooth = false;
        map.Position = new CoordinateRect(left, left + Digits.Side - 1, top - Digits.Side + 1, top);
    }

    private static void Style(Plot plot, string title)
    {
        plot.Title(title, 22);
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Color(Ink);
        plot.Grid.MajorLineColor = Faint;
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        foreach (var axis in new IAxis[] { plot.Axes.Bottom, plot.Axes.Left })
        {
            axis.TickLabelStyle.FontSize = 18;
            axis.Label.Bold = false;
        }
    }
}
