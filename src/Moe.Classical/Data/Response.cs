using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What is to be explained, one entry a row: real numbers, counts, successes out of trials, or classes.</summary>
/// <remarks>
/// Checked when it is made; what it holds is finite and in range. Holds tensors of type Float64 on the CPU, contiguous; they are the caller's where those
/// already were so, and otherwise copies that belong to the caller's dispose scope. Not changed after it is made.
/// </remarks>
public sealed class Response
{
    private Response(ResponseKind kind, Tensor values, Tensor? trials, int classes)
    {
        Kind = kind;
        Values = values;
        Trials = trials;
        Classes = classes;
    }

    /// <summary>What kind of numbers they are.</summary>
    public ResponseKind Kind { get; }

    /// <summary>[n], Float64: the real number, the count, the successes, or the index of the class.</summary>
    public Tensor Values { get; }

    /// <summary>[n], Float64: of <see cref="ResponseKind.Trials"/>, how many trials there were; null otherwise.</summary>
    public Tensor? Trials { get; }

    /// <summary>C of <see cref="ResponseKind.Class"/>, at least 2; 0 otherwise.</summary>
    public int Classes { get; }

    /// <summary>n, the number of rows.</summary>
    public long Rows => Values.size(0);

    /// <summary>Dout of a prediction: C probabilities for classes, otherwise one number (the mean; for trials, the probability of success).</summary>
    public int Width => Kind == ResponseKind.Class ? Classes : 1;

    /// <summary>Real numbers.</summary>
    /// <param name="values">[n] or [n, 1], finite, any numeric type.</param>
    /// <exception cref="ArgumentException">A value is not finite, or the shape is another.</exception>
    public static Response Real(Tensor values) =>
        new(ResponseKind.Real, DataGuard.Column(values, nameof(values)), null, 0);

    /// <summary>Counts.</summary>
    /// <param name="values">[n] or [n, 1]: whole numbers of at least 0, any numeric type.</param>
    /// <exception cref="ArgumentException">A value is not a whole number of at least 0, or the shape is another.</exception>
    public static Response Count(Tensor values)
    {
        var column = DataGuard.Column(values, nameof(values));
        DataGuard.Whole(column, long.MaxValue, "a count", nameof(values));
        return new Response(ResponseKind.Count, column, null, 0);
    }

    /// <summary>Successes out of trials.</summary>
    /// <param name="successes">[n]: whole numbers from 0 to the trials of the same row.</param>
    /// <param name="trials">[n]: whole numbers of at least 1.</param>
    /// <exception cref="ArgumentException">A number is out of its range, or the shapes differ.</exception>
    public static Response Binomial(Tensor successes, Tensor trials)
    {
        var won = DataGuard.Column(successes, nameof(successes));
        var all = DataGuard.Column(trials, nameof(trials));
        if (won.size(0) != all.size(0))
            throw new ArgumentException($"Expected trials for each of {won.size(0)} successes, got {all.size(0)}.", nameof(trials));
        DataGuard.Whole(won, long.MaxValue, "a number of successes", nameof(successes));
        DataGuard.Whole(all, long.MaxValue, "a number of trials", nameof(trials));
        DataGuard.Each(all, value => value >= 1, value => $"Row {{0}} has {value} trials; there must be at least 1.", nameof(trials));
        var limits = all.data<double>().ToArray();
        var numbers = won.data<double>().ToArray();
        for (var row = 0; row < limits.Length; row++)
        {
            if (numbers[row] > limits[row])
                throw new ArgumentException($"Row {row} has {numbers[row]} successes in {limits[row]} trials; there cannot be more successes than trials.", nameof(successes));
        }
        return new Response(ResponseKind.Trials, won, all, 0);
    }

    /// <summary>Classes.</summary>
    /// <param name="labels">[n] or [n, 1]: whole numbers from 0 to <paramref name="classes"/> - 1, any numeric type.</param>
    /// <param name="classes">C, at least 2. There may be classes that no row has.</param>
    /// <exception cref="ArgumentException">A label is out of range, or the shape is another.</exception>
    public static Response Class(Tensor labels, int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        var column = DataGuard.Column(labels, nameof(labels));
        DataGuard.Whole(column, classes - 1, $"a class of {classes}, numbered from 0", nameof(labels));
        return new Response(ResponseKind.Class, column, null, classes);
    }

    /// <summary>The same response for some of its rows. The tensors are new and belong to the caller's dispose scope.</summary>
    /// <param name="rows">[m], Int64: rows from 0 to n - 1, in any order, more than once if wanted.</param>
    public Response Select(Tensor rows)
    {
        DataGuard.Index(rows, Rows, nameof(rows));
        return new Response(Kind, Values.index_select(0, rows), Trials?.index_select(0, rows), Classes);
    }
}
