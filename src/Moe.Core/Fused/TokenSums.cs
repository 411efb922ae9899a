using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>From rows back to tokens: each token gets the sum of its rows, times its weights if there are any.</summary>
internal static class TokenSums
{
    /// <summary>Tokens that one task takes: enough for the work to be worth a task.</summary>
    private const int Block = 64;

    /// <summary>output[t] = Σ_k weights[t, k] · rows[rowOf[t, k]], k in order: the same bits every time.</summary>
    /// <param name="rows">[M, D].</param>
    /// <param name="weights">[T, K], Float32 or Float64; null for ones.</param>
    /// <param name="plan">Says where a token's rows are.</param>
    /// <returns>[T, D], of the rows' type.</returns>
    public static Tensor Of(Tensor rows, Tensor? weights, FusedPlan plan)
    {
        var width = rows.size(1);
        if (rows.dtype == ScalarType.Float32 && weights is null or { dtype: ScalarType.Float32 })
        {
            var output = empty(plan.Tokens, width, dtype: ScalarType.Float32, device: CPU);
            unsafe
            {
                new Work
                {
                    Rows = HostMemory.Start<float>(rows),
                    Weights = weights is null ? null : HostMemory.Start<float>(weights),
                    RowOf = HostMemory.Start<long>(plan.RowOf),
                    Output = HostMemory.Start<float>(output),
                    Width = (int)width,
                    Plan = plan,
                }.Run((int)((plan.Tokens + Block - 1) / Block));
            }
            return output;
        }

        var complete = plan.Rows == plan.RowOf.size(0) ? rows : cat([rows, zeros(1, width, dtype: rows.dtype, device: CPU)]);
        var byToken = complete.index_select(0, plan.RowOf).reshape(plan.Tokens, plan.TopK, width);
        return weights is null ? byToken.sum(dim: 1) : weights.to(rows.dtype).unsqueeze(1).bmm(byToken).squeeze(1);
    }

    private sealed unsafe class Work : HostWork
    {
        public required float* Rows { get; init; }

        public required float* Weights { get; init; }

        public required long* RowOf { get; init; }

        public required float* Output { get; init; }

        public required int Width { get; init; }

        public required FusedPlan Plan { get; init; }

        protected override void Do(int task)
        {
            var (choices, end) = (Plan.TopK, Math.Min(Plan.Tokens, (task + 1L) * Block));
            for (var token = task * (long)Block; token < end; token++)
            {
                var target = Output + (token * Width);
                var first = true;
                for (var choice = token * choices; choice < (token + 1) * choices; choice++)
                {
                    if (RowOf[choice] == Plan.Rows)
                        continue;
                    Add(Rows + (RowOf[choice] * Width), Weights is null ? 1 : Weights[choice], target, first);
                    first = false;
                }
                if (first)
                    new Span<float>(target, Width).Clear();
            }
        }

        private void Add(float* row, float weight, float* target, bool first)
        {
            var j = 0;
            var factor = new System.Numerics.Vector<float>(weight);
            for (; j + Lanes.Count <= Width; j += Lanes.Count)
                Lanes.Store(target + j, first ? factor * Lanes.Load(row + j) : Lanes.Add(factor, Lanes.Load(row + j), Lanes.Load(target + j)));
            for (; j < Width; j++)
                target[j] = first ? weight * row[j] : MathF.FusedMultiplyAdd(weight, row[j], target[j]);
        }
    }
}
