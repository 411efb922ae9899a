using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Some columns of a matrix.</summary>
internal static class Columns
{
    /// <summary>[n, columns.Count], new.</summary>
    public static Tensor Of(Tensor matrix, IReadOnlyList<int> columns)
    {
        Require(columns, matrix.size(1), nameof(columns));
        using var index = tensor(columns.Select(column => (long)column).ToArray());
        return matrix.index_select(1, index);
    }

    /// <summary>There is at least one, and each is from 0 to <paramref name="width"/> - 1.</summary>
    public static void Require(IReadOnlyList<int> columns, long width, string name)
    {
        ArgumentNullException.ThrowIfNull(columns, name);
        if (columns.Count == 0)
            throw new ArgumentException("Expected at least 1 column, got none.", name);
        foreach (var column in columns)
        {
            if (column < 0 || column >= width)
                throw new ArgumentException($"Expected columns from 0 to {width - 1}, got {column}.", name);
        }
    }
}
