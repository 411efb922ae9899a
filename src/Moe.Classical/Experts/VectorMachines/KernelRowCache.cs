namespace Moe.Classical;

/// <summary>Rows of a kernel matrix, made when asked for; the ones not asked for longest make room for others.</summary>
/// <param name="diagonal">k(x, x) of each row.</param>
/// <param name="fill">Writes row i of the matrix.</param>
/// <param name="bytes">How much memory rows may take; two rows are always kept.</param>
internal sealed class KernelRowCache(double[] diagonal, Action<int, double[]> fill, long bytes)
{
    private readonly Dictionary<int, int> _places = [];
    private readonly List<double[]> _rows = [];
    private readonly List<int> _owners = [];
    private readonly List<long> _used = [];
    private readonly long _capacity = Math.Max(2, bytes / sizeof(double) / Math.Max(1, diagonal.Length));
    private long _time;

    public ReadOnlySpan<double> Diagonal => diagonal;

    /// <summary>Row i; valid until two other rows have been asked for.</summary>
    public ReadOnlySpan<double> this[int row]
    {
        get
        {
            if (!_places.TryGetValue(row, out var place))
                place = Make(row);
            _used[place] = ++_time;
            return _rows[place];
        }
    }

    private int Make(int row)
    {
        int place;
        if (_rows.Count < _capacity)
        {
            place = _rows.Count;
            _rows.Add(new double[diagonal.Length]);
            _owners.Add(row);
            _used.Add(0);
        }
        else
        {
            place = 0;
            for (var other = 1; other < _used.Count; other++)
            {
                if (_used[other] < _used[place])
                    place = other;
            }
            _places.Remove(_owners[place]);
            _owners[place] = row;
        }
        fill(row, _rows[place]);
        _places[row] = place;
        return place;
    }
}
