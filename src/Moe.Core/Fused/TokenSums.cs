using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>From rows back to tokens: each token gets the sum of its rows, times its weights if there are any.</summary>
internal static class TokenSums
{
    /// <summary>Tokens that one task takes: enough for the work to be worth a task.</summary>
    private const int Block = 64;

    /// <summary>output[t] = Σ_k weights[t, k] · rows[rowOf[t, k]], k in order: the same bits every time. BFloat16 is added up in Float32 and rounded once.</summary>
    /// <param name="rows">[M, D].</param>
    /// <param name="weights">[T, K], Float32 or Float64; null for ones.</param>
    /// <param name="plan">Says where a token's rows are.</param>
    /// <returns>[T, D], of the rows' type.</returns>
    public static Tensor Of(Tensor rows, Tensor? weights, FusedPlan plan)
    {
        var width = rows.size(1);
        if (rows.dtype is ScalarType.Float32 or ScalarType.BFloat16 && weights is null or { dtype: ScalarType.Float32 })
        {
            var output = empty(plan.Tokens, width, dtype: rows.dtype, device: CPU);
            unsafe
            {
                var isNarrow = rows.dtype == ScalarType.BFloat16;
                new Work
                {
                    IsNarrow = isNarrow,
                    Rows = isNarrow ? HostMemory.Start<ushort>(rows) : HostMemory.Start<float>(rows),
                    Weights = weights is null ? null : HostMemory.Start<float>(weights),
                    RowOf = HostMemory.Start<long>(plan.RowOf),
                    Output = isNarrow ? HostMemory.Start<ushort>(output) : HostMemory.Start<float>(output),
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
        /// <summary>Whether rows and output are BFloat16 instead of Float32.</summary>
        public required bool IsNarrow { get; init; }

        public required void* Rows { get; init; }

        public required float* Weights { get; init; }

        public required long* RowOf { get; init; }

        public required void* Output { get; init; }

        public required int Width { get; init; }

        public required FusedPlan Plan { get; init; }

        protected override void Do(int task)
        {
            using var scratch = new Scratch(IsNarrow ? Width : 0);
            var end = Math.Min(Plan.Tokens, (task + 1L) * Block);
            for (var token = task * (long)Block; token < end; token++)
            {
                var sum = IsNarrow ? scratch.Start : (float*)Output + (token * Width);
                var first = true;
                for (var choice = token * Plan.TopK; choice < (token + 1) * Plan.TopK; choice++)
                {
                    if (RowOf[choice] == Plan.Rows)
                        continue;
                    var (start, weight) = (RowOf[choice] * Width, Weights is null ? 1 : Weights[choice]);
                    if (IsNarrow)
                        RowSums.Add((ushort*)Rows + start, weight, Width, sum, first);
                    else
                        RowSums.Add((float*)Rows + start, weight, Width, sum, first);
                    first = false;
                }
                if (first)
                    new Span<float>(sum, Width).Clear();
                if (IsNarrow)
                    RowSums.Round(sum, Width, (ushort*)Output + (token * Width));
            }
        }
    }
}
