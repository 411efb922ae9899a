namespace Moe.Core;

/// <summary>A range of one dimension of a matrix, cut into parts that are worth a task each.</summary>
/// <param name="Length">Of the dimension.</param>
/// <param name="Size">Of a part; the last may be shorter.</param>
internal readonly record struct Parts(int Length, int Size)
{
    /// <summary>Numbers that are worth a task: 512 KB.</summary>
    private const int Worth = 131072;

    /// <summary>Nothing to do.</summary>
    public static Parts None => new(0, 1);

    public int Count => (Length + Size - 1) / Size;

    public (int From, int To) this[int part] => (part * Size, Math.Min(Length, (part + 1) * Size));

    /// <summary>Whole rows.</summary>
    /// <param name="rows">How many there are.</param>
    /// <param name="width">Numbers in each.</param>
    /// <param name="unit">What a part is a multiple of: of what the tiles of the kernels take, and of a cache line, which no two tasks should share.</param>
    public static Parts OfRows(int rows, int width, int unit) => new(rows, Math.Max(unit, Worth / Math.Max(width, 1) / unit * unit));

    /// <summary>Columns: panels wide enough for each row of them to be read in one run.</summary>
    public static Parts OfColumns(int columns) => new(columns, 256);
}
