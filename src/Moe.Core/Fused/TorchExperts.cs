using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>SwiGLU experts of any type: the library's matrix products, all that an expert needs one after the other, while it is in the caches.</summary>
/// <remarks>
/// <para>Hidden rows lie as columns, [2F, n]: where the library spreads a product over threads, it does so along the long side of the result, and that is 2F.</para>
/// <para>Kept for the backward pass: the products with W_gate and W_up, [2F, n] for each expert, one after the other. The rest is computed again.</para>
/// </remarks>
internal static class TorchExperts
{
    /// <summary>The text of the two functions, for rows start … start + c - 1 of expert e; backward in n runs, as forward had them.</summary>
    public const string Script = """
        def torch_experts_forward(x, tokens, w_in, w_out, kept: Optional[Tensor], y, e: int, start: int, c: int):
            wide = w_in.size(1)
            f = wide // 2
            w = w_in.select(0, e)
            rows = x.index_select(0, tokens.narrow(0, start, c))
            if kept is None:
                both = torch.mm(w, rows.t())
            else:
                both = kept.narrow(0, start * wide, c * wide).view(wide, c)
                torch.mm(w, rows.t(), out=both)
            hidden = torch.silu(both.narrow(0, 0, f)).mul_(both.narrow(0, f, f))
            return torch.mm(hidden.t(), w_out.select(0, e).t(), out=y.narrow(0, start, c))

        def torch_experts_backward(g, x, tokens, weights, w_in, w_out, kept, g_in: Optional[Tensor], g_out: Optional[Tensor], g_rows: Optional[Tensor], g_weights, e: int, first: int, count: int, n: int):
            wide = w_in.size(1)
            f = wide // 2
            for i in range(n):
                start = first + count * i // n
                c = first + count * (i + 1) // n - start
                token = tokens.narrow(0, start, c)
                weight = weights.narrow(0, start, c)
                answer = g.index_select(0, token)
                both = kept.narrow(0, start * wide, c * wide).view(wide, c)
                gate = both.narrow(0, 0, f)
                up = both.narrow(0, f, f)
                activated = torch.silu(gate)
                hidden = activated * up
                slope = torch.mm(w_out.select(0, e).t(), answer.t())
                torch.sum(slope * hidden, [0], dtype=g_weights.dtype, out=g_weights.narrow(0, start, c))
                slope.mul_(weight)
                if g_out is not None:
                    hidden.mul_(weight)
                    if i == 0:
                        torch.mm(answer.t(), hidden.t(), out=g_out.select(0, e))
                    else:
                        g_out.select(0, e).addmm_(answer.t(), hidden.t())
                g_both = torch.empty_like(both)
                torch.mul(slope, activated, out=g_both.narrow(0, f, f))
                torch.silu_backward(slope.mul_(up), gate, grad_input=g_both.narrow(0, 0, f))
                if g_in is not None:
                    rows = x.index_select(0, token)
                    if i == 0:
                        torch.mm(g_both, rows, out=g_in.select(0, e))
                    else:
                        g_in.select(0, e).addmm_(g_both, rows)
                if g_rows is not None:
                    torch.mm(g_both.t(), w_in.select(0, e), out=g_rows.narrow(0, start, c))
            return g_weights

        """;

    /// <summary>Rows that go through an expert at a time: many for the products, few enough for what lies between them to stay in the caches.</summary>
    private const int Run = 256;

    /// <summary>From so many multiplications on, a product is large enough for the library's threads to share it.</summary>
    private const double Shared = 5e8;

    /// <summary>The answers of the plan's experts.</summary>
    /// <param name="call">Tokens and weights.</param>
    /// <param name="kept">[M · 2F], written for the backward pass; null for none.</param>
    /// <param name="answers">[M, Dout], written.</param>
    public static void Forward(in SwiGluCall call, Tensor? kept, Tensor answers)
    {
        using var tokens = call.TokenOfRow();
        var apart = IsApart(call);
        var runs = call.Plan.Segments.SelectMany(segment => Enumerable.Range(0, Runs(segment, apart)).Select(run => Part(segment, run, apart)));
        new Work("torch_experts_forward", [.. runs], [call.Tokens, tokens, call.In, call.Out, kept, answers]).Run(apart);
    }

    /// <summary>The gradients by the plan's experts.</summary>
    /// <param name="call">Tokens and weights.</param>
    /// <param name="gradient">By the output, [T, Dout], contiguous.</param>
    /// <param name="kept">What <see cref="Forward"/> kept.</param>
    /// <param name="into">Where gradients go.</param>
    /// <returns>The gradient by each row that was gathered from the tokens, [M, D]; null where it is not wanted.</returns>
    public static Tensor? Backward(in SwiGluCall call, Tensor gradient, Tensor kept, in SwiGluGradients into)
    {
        using var tokens = call.TokenOfRow();
        using var weights = call.WeightOfRow();
        var apart = IsApart(call);
        var rows = into.WantsRows ? empty(call.Plan.Rows, call.Tokens.size(1), dtype: call.Tokens.dtype, device: CPU) : null;
        new Work(
            "torch_experts_backward",
            call.Plan.Segments,
            [gradient, call.Tokens, tokens, weights, call.In, call.Out, kept, into.In, into.Out, rows, into.WeightOfRow])
        {
            GoesThroughRuns = true,
        }.Run(apart);
        foreach (var (expert, _, _) in call.Plan.Idle)
        {
            into.In?.select(0, expert).zero_();
            into.Out?.select(0, expert).zero_();
        }
        return rows;
    }

    /// <summary>
    /// Whether experts are computed at once, each by one thread, instead of one after the other by all: where products are small, and no expert has
    /// so many of the rows that the others would wait for it.
    /// </summary>
    private static bool IsApart(in SwiGluCall call)
    {
        var most = call.Plan.Segments.Max(segment => (long)segment.Count);
        return most * (double)call.In.size(1) * call.In.size(2) < Shared
            && most * get_num_threads() <= 1.5 * call.Plan.Segments.Sum(segment => (long)segment.Count);
    }

    private static int Runs(FusedPlan.Segment segment, bool apart) => apart ? (segment.Count + Run - 1) / Run : 1;

    private static FusedPlan.Segment Part(FusedPlan.Segment segment, int run, bool apart)
    {
        var from = (long)segment.Count * run / Runs(segment, apart);
        var to = (long)segment.Count * (run + 1) / Runs(segment, apart);
        return new(segment.Expert, segment.Start + (int)from, (int)(to - from));
    }

    /// <summary>A task: rows of an expert. Most rows first, so that no thread is left with a large task at the end.</summary>
    private sealed class Work(string function, FusedPlan.Segment[] segments, object?[] tensors) : HostWork
    {
        private readonly FusedPlan.Segment[] _segments = [.. segments.OrderByDescending(segment => segment.Count)];
        private bool _apart;

        /// <summary>Whether the function goes through the runs of an expert, and so has to know how many there are.</summary>
        public bool GoesThroughRuns { get; init; }

        public void Run(bool apart)
        {
            _apart = apart;
            if (apart)
            {
                RunByTorch(_segments.Length);
                return;
            }
            for (var task = 0; task < _segments.Length; task++)
                Do(task);
        }

        protected override void Do(int task)
        {
            var (expert, start, count) = _segments[task];
            object?[] numbers = GoesThroughRuns ? [expert, start, count, Runs(_segments[task], _apart)] : [expert, start, count];
            TorchScript.Call(function, [.. tensors, .. numbers]).Dispose();
        }
    }
}
