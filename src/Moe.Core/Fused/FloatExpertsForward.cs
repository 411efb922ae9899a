namespace Moe.Core;

/// <summary>Rows times W_gate and W_up, and from there to the hidden rows. A task: some hidden units of an expert.</summary>
internal sealed unsafe class HiddenWork(FloatExpertsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfRows(at.HiddenWidth, 2 * at.Width, RowProducts.UnitFor(at.Most, at.Width));

    public void Run() => Run(at.Segments.Length * _parts.Count);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / _parts.Count];
        var (from, to) = _parts[task % _parts.Count];
        var (f, units) = (at.HiddenWidth, to - from);
        using var scratch = new Scratch(at.Both is null ? 2 * count * units : 0);
        float* gate = scratch.Start, up = gate + units;
        nint stride = 2 * units;
        if (at.Both is not null)
        {
            stride = 2 * f;
            gate = at.Both + (start * stride) + from;
            up = gate + f;
        }
        RowProducts.WithTransposed(at.Tokens + start, count, at.InOf(expert), at.Width, from, to, gate - from, stride);
        RowProducts.WithTransposed(at.Tokens + start, count, at.InOf(expert), at.Width, f + from, f + to, up - f - from, stride);
        for (var i = 0; i < count; i++, gate += stride, up += stride)
            SwiGluRow.Forward(gate, up, units, at.Hidden[start + i] + from);
    }
}

/// <summary>Hidden rows times W_down. A task: some outputs of an expert.</summary>
internal sealed unsafe class AnswerWork(FloatExpertsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfRows(at.OutputWidth, at.HiddenWidth, RowProducts.UnitFor(at.Most, at.HiddenWidth));

    public void Run() => Run(at.Segments.Length * _parts.Count);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / _parts.Count];
        var (from, to) = _parts[task % _parts.Count];
        RowProducts.WithTransposed(
            at.Hidden + start, count, at.OutOf(expert), at.HiddenWidth, from, to, at.Answers + ((nint)start * at.OutputWidth), at.OutputWidth);
    }
}
