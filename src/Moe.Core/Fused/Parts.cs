namespace Moe.Core;

/// <summary>A range of one dimension of a matrix, cut into parts that are worth a task each.</summary>
/// <param name="Length">Of the dimension.</param>
/// <param name="Size">Of a part; the last may be shorter.</param>
internal readonly record struct Parts(int Length, int Size)
{
    /// <summary>Numbers that are worth a task: 128 KB.</summary>
    private const int Worth = 32768;

    /// <summary>Nothing to do.</summary>
    public static Parts None => new(0, 1);

    public int Count => (Length + Size - 1) / Size;

    public (int From, int To) this[int part] => (part * Size, Math.Min(Length, (part + 1) * Size));

    /// <summary>Whole rows. A multiple of 48, which the tiles of the kernels divide and which ends no two tasks in one cache line.</summary>
    public static Parts OfRows(int rows, int width) => new(rows, Math.Max(48, Worth / Math.Max(width, 1) / 48 * 48));

    /// <summary>Columns: panels wide enough for each row of them to be read in one run.</summary>
    public static Parts OfColumns(int columns) => new(columns, 256);
}
