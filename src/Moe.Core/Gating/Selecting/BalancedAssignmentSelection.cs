using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// While training, the assignment of tokens to experts that has the highest total logit among those that give every expert the same number
/// of tokens, ⌈tokens / E⌉ at most (BASE layers, Lewis et al. 2021, section 3.1). In evaluation mode the best logit. K = 1.
/// </summary>
/// <remarks>
/// Not causal while training. The problem is solved on the host, exactly, in O(T · E²) whatever the logits (0.2 s at most for 4096 tokens and 64 experts on a slow
/// core); the logits, [T, E], are transferred for that.
/// </remarks>
public sealed record BalancedAssignmentSelection : SelectionRule
{
    /// <inheritdoc/>
    public override bool IsCausal => false;

    /// <inheritdoc/>
    public override Selected Choose(SelectionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (!input.Input.Training || input.Logits.device_type == DeviceType.META)
            return new Selected(Best(input.Logits.detach(), 1));

        var (tokens, experts) = ((int)input.Logits.size(0), (int)input.Logits.size(1));
        var real = input.Input.Mask is { } mask ? mask.unsqueeze(-1).to(ScalarType.Float64) : ones(tokens, 1, dtype: ScalarType.Float64, device: input.Logits.device);
        using var onHost = cat([input.Logits.detach().to(ScalarType.Float64), real], 1).cpu();
        var assigned = BalancedAssignment.Solve(onHost.data<double>().ToArray(), tokens, experts);
        return new Selected(tensor(assigned, device: input.Logits.device).unsqueeze(-1));
    }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(options.TopK == 1, $"TopK ({options.TopK}) must be 1 for a balanced assignment.")
        .Require(!options.SelectionBias, $"SelectionBias ({options.SelectionBias}) has no place beside a balanced assignment.")
        .Require(options.Capacity is null, "Capacity (given) has no place beside a balanced assignment, which has its own.");
}
