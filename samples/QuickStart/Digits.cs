using System.Globalization;
using Moe.Training;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>The handwritten digits: 1,797 images of 8x8 grey levels, each with the digit it shows and the fold it belongs to.</summary>
internal sealed class Digits
{
    public const int Side = 8;
    public const int Pixels = Side * Side;
    public const int Classes = 10;
    public const int FoldCount = 5;

    private readonly int[] _folds;

    private Digits(Tensor images, long[] labels, int[] folds)
    {
        Images = images;
        Labels = labels;
        _folds = folds;
    }

    /// <summary>[n, 64], grey levels from 0 to 1.</summary>
    public Tensor Images { get; }

    public long[] Labels { get; }

    public static Digits Load(string path)
    {
        var rows = File.ReadLines(path).Skip(1)
            .Select(line => Array.ConvertAll(line.Split(','), cell => int.Parse(cell, CultureInfo.InvariantCulture)))
            .ToArray();
        var pixels = rows.SelectMany(row => row.Take(Pixels).Select(level => level / 16f)).ToArray();
        return new Digits(
            tensor(pixels).reshape(-1, Pixels),
            [.. rows.Select(row => (long)row[Pixels])],
            [.. rows.Select(row => row[Pixels + 1])]);
    }

    /// <summary>The rows of one fold, in the order of the file.</summary>
    public int[] RowsOf(int fold) => RowsWhere(row => row == fold);

    /// <summary>The rows of all other folds.</summary>
    public int[] RowsOutside(int fold) => RowsWhere(row => row != fold);

    /// <summary>Images and labels as they are.</summary>
    public TrainingData Take(int[] rows) => new(Images[tensor(rows, ScalarType.Int64)], LabelsOf(rows));

    /// <summary>
    /// Images and labels, and each image again moved by half a pixel to the left, to the right, up and down: five times the rows. Nobody writes in
    /// the very middle, and a few hundred examples of each digit are not enough to learn that from.
    /// </summary>
    public TrainingData TakeShifted(int[] rows)
    {
        var images = Images[tensor(rows, ScalarType.Int64)].reshape(-1, Side, Side);
        Tensor[] moved = [images, Move(images, 1, -1), Move(images, 1, 1), Move(images, 2, -1), Move(images, 2, 1)];
        return new TrainingData(cat(moved).reshape(-1, Pixels), LabelsOf(rows).repeat(moved.Length));
    }

    /// <summary>
    /// Moves by half a pixel along a dimension, as the mean of the image and itself one pixel further; what comes in at the edge is empty
    /// paper. (The digits fill their frame: a whole pixel would cut strokes off.)
    /// </summary>
    private static Tensor Move(Tensor images, int dimension, int by)
    {
        var moved = images.roll(by, dimension);
        moved.select(dimension, by > 0 ? 0 : Side - 1).zero_();
        return (images + moved) / 2;
    }

    private Tensor LabelsOf(int[] rows) => tensor(Array.ConvertAll(rows, row => Labels[row]), ScalarType.Int64);

    private int[] RowsWhere(Func<int, bool> isWanted) => [.. Enumerable.Range(0, _folds.Length).Where(row => isWanted(_folds[row]))];
}
