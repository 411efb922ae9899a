using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Moe.Terminal;

/// <summary>Draws the two lines that move.</summary>
internal sealed class ProgressBars(string title, bool unicode)
{
    private const int LongestBar = 32;
    private const int ShortestBar = 8;
    private const int RoomForNumbers = 52;

    private static readonly Style Done = new(Color.Green);
    private static readonly Style ToDo = new(Color.Grey);
    private static readonly Style Label = new(decoration: Decoration.Bold);

    private readonly string _training = title.Length > 0 ? title : "training";

    /// <summary>The lines, none longer than <paramref name="width"/>.</summary>
    public IReadOnlyList<List<Segment>> Draw(ProgressNumbers numbers, int width)
    {
        var epoch = $"epoch {numbers.Epoch + 1}/{numbers.Plan.Epochs}";
        var labels = Math.Max(Segment.CellCount([new Segment(_training)]), epoch.Length);
        var bar = Math.Clamp(width - labels - RoomForNumbers, ShortestBar, LongestBar);
        return
        [
            Line(_training, labels, numbers.TrainingShare, bar, TrainingNumbers(numbers), width),
            Line(epoch, labels, numbers.EpochShare, bar, EpochNumbers(numbers), width),
        ];
    }

    private static IEnumerable<string> TrainingNumbers(ProgressNumbers numbers)
    {
        yield return $"step {numbers.Step}/{numbers.Plan.TotalSteps}";
        if (numbers.Left is { } left)
            yield return $"ETA {ProgressText.Duration(left)}";
        if (numbers.Skipped > 0)
            yield return $"{numbers.Skipped} skipped";
    }

    private static IEnumerable<string> EpochNumbers(ProgressNumbers numbers)
    {
        if (numbers.Loss is { } loss)
            yield return $"loss {ProgressText.Fine(loss)}";
        if (numbers.Balance is > 0 and var balance)
            yield return $"balance {balance.ToString("0.00", CultureInfo.InvariantCulture)}";
        if (numbers.TokensPerSecond is { } rate)
            yield return $"{ProgressText.Rate(rate)} tokens/s";
    }

    private List<Segment> Line(string label, int labels, double share, int bar, IEnumerable<string> numbers, int width)
    {
        var done = (int)Math.Floor(share * bar);
        var (full, empty) = unicode ? ('━', '━') : ('#', '-');
        var padding = new string(' ', labels - Segment.CellCount([new Segment(label)]) + 1);
        return Segment.Truncate(
            [
                new Segment(label + padding, Label),
                new Segment(new string(full, done), Done),
                new Segment(new string(empty, bar - done), ToDo),
                new Segment($" {Math.Floor(share * 100).ToString(CultureInfo.InvariantCulture),3} %  {string.Join("  ", numbers)}"),
            ],
            width);
    }
}
