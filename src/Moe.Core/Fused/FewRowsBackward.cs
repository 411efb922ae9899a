namespace Moe.Core;

/// <summary>
/// From the gradient by the output to that by the products with W_gate and W_up, and the gradient by the weights on the way: with s = W_downᵀ · g, unweighted,
/// that of a weight is ⟨g, W_down · h⟩ = ⟨s, h⟩, so that no answer has to be kept. A task: some hidden units of an expert.
/// </summary>
internal sealed unsafe class SlopeWork : HostWork
{
    private readonly FewRowsMemory _at;
    private readonly Parts _parts;
    private readonly int[] _firsts;
    private readonly float[] _shares;

    public SlopeWork(FewRowsMemory at)
    {
        _at = at;
        _parts = Parts.OfColumns(at.HiddenWidth);
        _firsts = new int[at.Segments.Length + 1];
        for (var segment = 0; segment < at.Segments.Length; segment++)
            _firsts[segment + 1] = _firsts[segment] + at.Segments[segment].Count;
        _shares = new float[_firsts[^1] * _parts.Count];
    }

    public void Run()
    {
        Run(_at.Segments.Length * _parts.Count);

        // Each task has noted its share of the weights' gradients; they are added up in their order.
        for (var segment = 0; segment < _at.Segments.Length; segment++)
        {
            for (var i = 0; i < _at.Segments[segment].Count; i++)
            {
                var sum = 0f;
                foreach (var share in _shares.AsSpan((_firsts[segment] + i) * _parts.Count, _parts.Count))
                    sum += share;
                _at.WeightGradients[_at.Segments[segment].Start + i] = sum;
            }
        }
    }

    protected override void Do(int task)
    {
        var (segment, part) = (task / _parts.Count, task % _parts.Count);
        var (expert, start, count) = _at.Segments[segment];
        var (from, to) = _parts[part];
        var (f, wide) = (_at.HiddenWidth, 2 * _at.HiddenWidth);
        var slope = _at.Slopes + ((nint)start * f);
        WeightedSums.Multiply(_at.OutputGradients + start, count, _at.OutOf(expert), _at.OutputWidth, f, from, to, slope, f);
        for (var (i, row) = (0, (nint)start); i < count; i++, row++, slope += f)
        {
            float* both = _at.Both + (row * wide), hidden = _at.Hidden[row], gradient = _at.BothGradients[row];
            _shares[((_firsts[segment] + i) * _parts.Count) + part] = SwiGluRow.Backward(
                both + from, both + f + from, slope + from, _at.Weights[row], to - from, hidden + from, gradient + from, gradient + f + from);

            // W_down learns from weighted hidden rows.
            Scale(hidden + from, to - from, _at.Weights[row]);
        }
    }

    private static void Scale(float* row, int width, float factor)
    {
        var j = 0;
        for (; j + Lanes.Count <= width; j += Lanes.Count)
            Lanes.Store(row + j, Lanes.Load(row + j) * factor);
        for (; j < width; j++)
            row[j] *= factor;
    }
}

/// <summary>The gradients of the weights and of the rows. A task: some rows of a matrix of an expert, or some columns of its rows.</summary>
internal sealed unsafe class GradientWork(FewRowsMemory at) : HostWork
{
    private readonly Parts _in = at.InGradient is null ? Parts.None : Parts.OfRows(2 * at.HiddenWidth, at.Width);
    private readonly Parts _out = at.OutGradient is null ? Parts.None : Parts.OfRows(at.OutputWidth, at.HiddenWidth);
    private readonly Parts _rows = at.RowGradient is null ? Parts.None : Parts.OfColumns(at.Width);

    private int PerExpert => _in.Count + _out.Count + _rows.Count;

    public void Run() => Run(at.Segments.Length * PerExpert);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / PerExpert];
        var (part, wide) = (task % PerExpert, 2 * at.HiddenWidth);
        if (part < _rows.Count)
        {
            var (from, to) = _rows[part];
            WeightedSums.Multiply(
                at.BothGradients + start, count, at.InOf(expert), wide, at.Width, from, to, at.RowGradient + ((nint)start * at.Width), at.Width);
        }
        else if (part < _rows.Count + _in.Count)
        {
            var (from, to) = _in[part - _rows.Count];
            OuterProducts.Sum(at.BothGradients + start, at.Tokens + start, count, at.Width, from, to, at.InGradientOf(expert));
        }
        else
        {
            var (from, to) = _out[part - _rows.Count - _in.Count];
            OuterProducts.Sum(at.OutputGradients + start, at.Hidden + start, count, at.HiddenWidth, from, to, at.OutGradientOf(expert));
        }
    }
}
