using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Rows in k parts, each left out once: row numbers to fit to and to judge on.</summary>
/// <remarks>The same seed gives the same folds on every machine. Holds no tensors.</remarks>
public sealed class Folds
{
    private readonly int[] _foldOfRow;

    private Folds(int[] foldOfRow, int count)
    {
        _foldOfRow = foldOfRow;
        Count = count;
    }

    /// <summary>k, the number of folds, at least 2.</summary>
    public int Count { get; }

    /// <summary>n, the number of rows.</summary>
    public long Rows => _foldOfRow.Length;

    /// <summary>The fold, from 0 to k - 1, that leaves each row out; [n].</summary>
    public IReadOnlyList<int> FoldOfRow => _foldOfRow;

    /// <summary>Folds of sizes that differ by at most 1, at random.</summary>
    /// <param name="rows">n, at least <paramref name="count"/>.</param>
    /// <param name="count">k, from 2 to n.</param>
    /// <param name="seed">What the draw depends on.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static Folds Random(long rows, int count, long seed = 0)
    {
        Require(rows, count);
        var order = Enumerable.Range(0, (int)rows).ToArray();
        new DrawSequence(seed).Shuffle(order.AsSpan());
        return new Folds(Deal(order, count), count);
    }

    /// <summary>Folds at random in which each class has the same share, as near as whole rows allow; as <see cref="Random"/> for other kinds of response.</summary>
    /// <param name="response">n entries.</param>
    /// <param name="count">k, from 2 to n. A class of fewer than k rows is missing in some folds.</param>
    /// <param name="seed">What the draw depends on.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is out of its range.</exception>
    public static Folds Stratified(Response response, int count, long seed = 0)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.Kind != ResponseKind.Class)
            return Random(response.Rows, count, seed);
        Require(response.Rows, count);
        var order = Enumerable.Range(0, (int)response.Rows).ToArray();
        new DrawSequence(seed).Shuffle(order.AsSpan());

        // Dealt out class after class, like cards: the next class goes on where the one before ended.
        var classes = HostMemory.Of<double>(response.Values).ToArray();
        return new Folds(Deal([.. order.OrderBy(row => classes[row])], count), count);
    }

    /// <summary>Folds that are given.</summary>
    /// <param name="foldOfRow">For each row the fold that leaves it out: numbers from 0, each fold with at least 1 row, at least 2 folds.</param>
    /// <exception cref="ArgumentException">There is a number below 0, or a fold without rows, or only one fold.</exception>
    public static Folds Given(IEnumerable<int> foldOfRow)
    {
        ArgumentNullException.ThrowIfNull(foldOfRow);
        var given = foldOfRow.ToArray();
        if (given.Length == 0)
            throw new ArgumentException("Expected a fold for each row, got no rows.", nameof(foldOfRow));
        var least = given.Min();
        if (least < 0)
            throw new ArgumentException($"Expected folds from 0, got {least}.", nameof(foldOfRow));
        var found = given.Distinct().Order().ToArray();
        var gap = Array.FindIndex(found, 0, found.Length, fold => Array.IndexOf(found, fold) != fold);
        if (gap >= 0)
            throw new ArgumentException($"Expected folds numbered 0, 1, 2 … with rows in each; fold {gap} has none.", nameof(foldOfRow));
        if (found.Length < 2)
            throw new ArgumentException("Expected at least 2 folds, got 1.", nameof(foldOfRow));
        return new Folds(given, found.Length);
    }

    /// <summary>The rows to fit to when a fold is left out, ascending.</summary>
    /// <param name="fold">0 to k - 1.</param>
    /// <returns>[n - m], Int64. The caller owns it.</returns>
    public Tensor TrainRows(int fold) => Numbers(fold, inside: false);

    /// <summary>The rows of a fold, ascending.</summary>
    /// <param name="fold">0 to k - 1.</param>
    /// <returns>[m], Int64. The caller owns it.</returns>
    public Tensor TestRows(int fold) => Numbers(fold, inside: true);

    private static int[] Deal(int[] order, int count)
    {
        var foldOfRow = new int[order.Length];
        for (var place = 0; place < order.Length; place++)
            foldOfRow[order[place]] = place % count;
        return foldOfRow;
    }

    private static void Require(long rows, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, Array.MaxLength);
    }

    private Tensor Numbers(int fold, bool inside)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(fold);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(fold, Count);
        var rows = new List<long>(_foldOfRow.Length);
        for (var row = 0; row < _foldOfRow.Length; row++)
        {
            if (_foldOfRow[row] == fold == inside)
                rows.Add(row);
        }
        return tensor(rows.ToArray());
    }
}
