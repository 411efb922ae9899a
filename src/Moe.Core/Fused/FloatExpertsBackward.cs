namespace Moe.Core;

/// <summary>
/// From the gradient by the output to that by the products with W_gate and W_up, and the gradient by the weights on the way: with s = W_downᵀ · g, unweighted,
/// that of a weight is ⟨g, W_down · h⟩ = ⟨s, h⟩, so that no answer has to be kept. A task: some hidden units of an expert.
/// </summary>
internal sealed unsafe class SlopeWork(FloatExpertsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfColumns(at.HiddenWidth);
    private float* _shares;

    public void Run()
    {
        using var shares = new Scratch(at.Rows * _parts.Count);
        _shares = shares.Start;
        Run(at.Segments.Length * _parts.Count);

        // Each task has noted its share of the weights' gradients; they are added up in their order.
        for (var row = 0; row < at.Rows; row++)
        {
            var sum = 0f;
            foreach (var share in new ReadOnlySpan<float>(_shares + ((nint)row * _parts.Count), _parts.Count))
                sum += share;
            at.WeightGradients[row] = sum;
        }
    }

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / _parts.Count];
        var part = task % _parts.Count;
        var (from, to) = _parts[part];
        var (f, units) = (at.HiddenWidth, to - from);
        using var slopes = new Scratch(count * units);
        RowProducts.With(at.OutputGradients + start, count, at.OutOf(expert), at.OutputWidth, f, from, to, slopes.Start - from, units);
        for (var i = 0; i < count; i++)
        {
            var row = (nint)(start + i);
            float* gate = at.Both + (row * 2 * f) + from, hidden = at.Hidden[row] + from, gradient = at.BothGradients[row] + from;
            _shares[(row * _parts.Count) + part] =
                SwiGluRow.Backward(gate, gate + f, slopes.Start + ((nint)i * units), at.Weights[row], units, hidden, gradient, gradient + f);

            // W_down learns from weighted hidden rows.
            RowSums.Add(hidden, at.Weights[row], units, hidden, first: true);
        }
    }
}

/// <summary>The gradient of W_down, and zeros for experts without rows. A task: some rows of an expert's.</summary>
internal sealed unsafe class OutGradientWork(FloatExpertsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfRows(at.OutputWidth, at.HiddenWidth, RowProducts.UnitForGradients(at.Most));

    public void Run() => Run((at.Segments.Length + at.Idle.Length) * _parts.Count);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.SegmentOrIdle(task / _parts.Count);
        var (from, to) = _parts[task % _parts.Count];
        RowProducts.Gradient(at.OutputGradients + start, at.Hidden + start, count, at.HiddenWidth, from, to, at.OutGradientOf(expert));
    }
}

/// <summary>The gradients of W_gate and W_up, with zeros for experts without rows, and those of the rows. A task: some rows of an expert's matrix, or some columns of its rows.</summary>
internal sealed unsafe class InGradientWork(FloatExpertsMemory at) : HostWork
{
    private readonly Parts _in = at.InGradient is null ? Parts.None : Parts.OfRows(2 * at.HiddenWidth, at.Width, RowProducts.UnitForGradients(at.Most));
    private readonly Parts _rows = at.RowGradient is null ? Parts.None : Parts.OfColumns(at.Width);

    private int PerExpert => _in.Count + _rows.Count;

    public void Run() => Run((at.Segments.Length + (at.InGradient is null ? 0 : at.Idle.Length)) * PerExpert);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.SegmentOrIdle(task / PerExpert);
        var part = task % PerExpert;
        if (part < _rows.Count)
        {
            var (from, to) = _rows[part];
            RowProducts.With(
                at.BothGradients + start, count, at.InOf(expert), 2 * at.HiddenWidth, at.Width, from, to, at.RowGradient + ((nint)start * at.Width), at.Width);
        }
        else
        {
            var (from, to) = _in[part - _rows.Count];
            RowProducts.Gradient(at.BothGradients + start, at.Tokens + start, count, at.Width, from, to, at.InGradientOf(expert));
        }
    }
}
