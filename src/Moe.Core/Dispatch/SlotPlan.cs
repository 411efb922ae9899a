using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Tokens are mixed into slots, slots are answered, and answers are mixed back into tokens (Soft MoE).</summary>
internal sealed class SlotPlan(SlotMix slots, Tensor? mask) : DispatchPlan
{
    private readonly long _sequences = slots.Dispatch.size(0);
    private readonly long _length = slots.Dispatch.size(1);
    private readonly long _perExpert = slots.SlotsPerExpert;
    private readonly long _experts = slots.Dispatch.size(2) / slots.SlotsPerExpert;

    public override IReadOnlyList<long> RowsPerExpert => [.. Enumerable.Repeat(_sequences * _perExpert, (int)_experts)];

    public override Tensor Gather(Tensor tokens)
    {
        // Padding has the weight 0 in every slot, but may hold NaN, and 0 · NaN is none.
        var real = mask is null ? tokens : tokens.masked_fill(mask.bitwise_not().unsqueeze(-1), 0);
        var bySequence = real.reshape(_sequences, _length, -1);
        var mixed = slots.Dispatch.to(tokens.dtype).transpose(1, 2).bmm(bySequence);
        return mixed.reshape(_sequences, _experts, _perExpert, -1).transpose(0, 1).reshape(_experts * _sequences * _perExpert, -1);
    }

    public override Tensor Combine(List<Tensor> answers, Tensor tokens, long outputWidth)
    {
        var all = answers.Count == 1 ? answers[0] : cat(answers);
        var bySequence = all.reshape(_experts, _sequences, _perExpert, outputWidth).transpose(0, 1).reshape(_sequences, _experts * _perExpert, outputWidth);
        return slots.Combine.to(tokens.dtype).bmm(bySequence).reshape(_sequences * _length, outputWidth);
    }
}
