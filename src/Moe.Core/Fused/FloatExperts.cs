using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>SwiGLU experts in Float32 by loops of our own: weights are read in order, rows where they lie, and nothing else has to leave the caches.</summary>
/// <remarks>
/// A product of the library cannot do with an expert's rows as they lie, copies a few rows' weights into another order, which costs more than to use them, and makes all threads meet
/// after each operation. Here work is split by experts and by parts of their weights, and threads meet between four steps; every number is computed by one task, so that threads do not
/// change a bit.
/// </remarks>
internal static class FloatExperts
{
    /// <summary>The answers of the plan's experts.</summary>
    /// <param name="call">Tokens and weights, Float32.</param>
    /// <param name="kept">The products with W_gate and W_up, a row each, [M · 2F]; written. Null where nobody needs them.</param>
    /// <param name="answers">[M, Dout], written.</param>
    public static unsafe void Forward(in SwiGluCall call, Tensor? kept, Tensor answers)
    {
        using var hidden = empty(call.Plan.Rows, call.Hidden, dtype: ScalarType.Float32, device: CPU);
        using var tokens = RowPointers.ToTokens(call.Tokens, call.Plan);
        using var hiddenRows = RowPointers.ToRows(hidden, call.Plan);
        var memory = new FloatExpertsMemory(call)
        {
            Tokens = tokens.Start,
            Both = kept is null ? null : HostMemory.Start<float>(kept),
            Hidden = hiddenRows.Start,
            Answers = HostMemory.Start<float>(answers),
        };
        new HiddenWork(memory).Run();
        new AnswerWork(memory).Run();
    }

    /// <summary>The gradients by the plan's experts.</summary>
    /// <param name="call">Tokens and weights.</param>
    /// <param name="gradient">By the output, [T, Dout], contiguous.</param>
    /// <param name="kept">What <see cref="Forward"/> kept.</param>
    /// <param name="into">Where gradients go.</param>
    /// <returns>The gradient by each row that was read from the tokens, [M, D]; null where it is not wanted.</returns>
    public static unsafe Tensor? Backward(in SwiGluCall call, Tensor gradient, Tensor kept, in SwiGluGradients into)
    {
        using var bothGradient = empty(call.Plan.Rows, 2 * call.Hidden, dtype: ScalarType.Float32, device: CPU);
        using var weights = call.WeightOfRow();
        using var tokens = RowPointers.ToTokens(call.Tokens, call.Plan);
        using var outputGradients = RowPointers.ToTokens(gradient, call.Plan);
        using var bothGradients = RowPointers.ToRows(bothGradient, call.Plan);
        var hidden = empty(call.Plan.Rows, call.Hidden, dtype: ScalarType.Float32, device: CPU);
        using var hiddenRows = RowPointers.ToRows(hidden, call.Plan);
        var memory = new FloatExpertsMemory(call)
        {
            Tokens = tokens.Start,
            Both = HostMemory.Start<float>(kept),
            Hidden = hiddenRows.Start,
            OutputGradients = outputGradients.Start,
            Weights = HostMemory.Start<float>(weights),
            BothGradients = bothGradients.Start,
            WeightGradients = HostMemory.Start<float>(into.WeightOfRow),
            InGradient = into.In is null ? null : HostMemory.Start<float>(into.In),
            OutGradient = into.Out is null ? null : HostMemory.Start<float>(into.Out),
        };
        new SlopeWork(memory).Run();
        if (into.Out is not null)
            new OutGradientWork(memory).Run();

        // Of no use any more: its memory can serve the gradients of the rows.
        hidden.Dispose();
        var rows = into.WantsRows ? empty(call.Plan.Rows, call.Tokens.size(1), dtype: ScalarType.Float32, device: CPU) : null;
        memory.RowGradient = rows is null ? null : HostMemory.Start<float>(rows);
        new InGradientWork(memory).Run();
        return rows;
    }
}
