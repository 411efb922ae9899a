namespace Moe.Classical;

/// <summary>A set of rows, one bit each.</summary>
internal readonly struct RowSet(int rows)
{
    private readonly ulong[] _bits = new ulong[(rows + 63) / 64];

    public void Add(int row) => _bits[row >> 6] |= 1UL << (row & 63);

    public bool Contains(int row) => (_bits[row >> 6] & (1UL << (row & 63))) != 0;
}
