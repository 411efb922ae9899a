namespace Moe.Core;

/// <summary>Rows times W_gate and W_up, and from there to the hidden rows. A task: some hidden units of an expert.</summary>
internal sealed unsafe class HiddenWork(FewRowsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfRows(at.HiddenWidth, 2 * at.Width);

    public void Run() => Run(at.Segments.Length * _parts.Count);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / _parts.Count];
        var (from, to) = _parts[task % _parts.Count];
        var (f, wide) = (at.HiddenWidth, 2 * at.HiddenWidth);
        var both = at.Both + ((nint)start * wide);
        DotProducts.Multiply(at.Tokens + start, count, at.InOf(expert), at.Width, from, to, both, wide);
        DotProducts.Multiply(at.Tokens + start, count, at.InOf(expert), at.Width, f + from, f + to, both, wide);
        for (var i = 0; i < count; i++, both += wide)
            SwiGluRow.Forward(both + from, both + f + from, to - from, at.Hidden[start + i] + from);
    }
}

/// <summary>Hidden rows times W_down. A task: some outputs of an expert.</summary>
internal sealed unsafe class AnswerWork(FewRowsMemory at) : HostWork
{
    private readonly Parts _parts = Parts.OfRows(at.OutputWidth, at.HiddenWidth);

    public void Run() => Run(at.Segments.Length * _parts.Count);

    protected override void Do(int task)
    {
        var (expert, start, count) = at.Segments[task / _parts.Count];
        var (from, to) = _parts[task % _parts.Count];
        DotProducts.Multiply(
            at.Hidden + start, count, at.OutOf(expert), at.HiddenWidth, from, to, at.Answers + ((nint)start * at.OutputWidth), at.OutputWidth);
    }
}
