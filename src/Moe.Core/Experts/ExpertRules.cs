using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What must hold between a gate and the experts of a layer, said in one message when it does not.</summary>
internal static class ExpertRules
{
    public static void Check(Router gate, IExpert[] routed, IExpert[] shared)
    {
        var failures = new OptionFailures("The list of experts")
            .Require(
                routed.Length == gate.ExpertCount,
                $"The gate chooses among {gate.ExpertCount} experts, but there are {routed.Length}.");
        var width = routed.FirstOrDefault(expert => expert is not null && !IsDisposed(expert))?.OutputWidth ?? 0;
        failures.Require(!gate.IsDisposed, "The gate has been disposed.");
        Widths(failures, "Expert", routed, gate.InputWidth, width);
        Widths(failures, "Shared expert", shared, gate.InputWidth, width);
        failures.Require(
            gate.Capacity is not { Dropped: DroppedTokens.PassThrough } || width == gate.InputWidth,
            $"Dropped tokens that pass through need experts whose output ({width}) is as wide as their input ({gate.InputWidth}).");
        foreach (var index in Enumerable.Range(0, routed.Length).Skip(gate.ExpertCount - gate.NullExpertCount).Take(gate.NullExpertCount))
            failures.Require(routed[index] is ZeroExpert, $"The gate's last {gate.NullExpertCount} experts are null: expert {index} ({routed[index]?.GetType().Name}) must be a ZeroExpert.");
        Owners(failures, [.. routed, .. shared]);
        Stacks(failures, routed);
        Stacks(failures, shared);
        failures.ThrowIfAny("experts");
    }

    private static void Widths(OptionFailures failures, string kind, IExpert[] experts, long input, long output)
    {
        foreach (var (expert, index) in experts.Select((expert, index) => (expert, index)))
        {
            if (expert is null)
            {
                failures.Require(false, $"{kind} {index} is null.");
                continue;
            }
            if (IsDisposed(expert))
            {
                failures.Require(false, $"{kind} {index} ({expert.GetType().Name}) has been disposed, or taken over by another layer.");
                continue;
            }
            failures
                .Require(expert.InputWidth == input, $"{kind} {index} ({expert.GetType().Name}) takes rows of width {expert.InputWidth}, the gate of width {input}.")
                .Require(expert.OutputWidth == output, $"{kind} {index} ({expert.GetType().Name}) gives rows of width {expert.OutputWidth}, expert 0 of width {output}.");
        }
    }

    private static bool IsDisposed(IExpert? expert) => expert switch
    {
        StackableExpert single => single.IsDisposed,
        StackedExperts.Slice slice => slice.Stack.IsDisposed,
        MixtureOfExperts mixture => mixture.IsDisposed,
        ModuleExpert wrapper => wrapper.IsDisposed,
        ConstantExpert constant => constant.IsDisposed,
        IdentityExpert identity => identity.IsDisposed,
        // A user's module does not say; its parameters do, if it still has some.
        nn.Module module => module.parameters().Any(parameter => parameter.IsInvalid),
        _ => false,
    };

    /// <summary>A module has one place in a layer: its gradients and its name belong to one expert.</summary>
    private static void Owners(OptionFailures failures, IExpert[] experts)
    {
        var twice = experts.Where(expert => expert is nn.Module or StackedExperts.Slice).GroupBy(expert => expert).Where(group => group.Count() > 1);
        foreach (var group in twice)
            failures.Require(false, $"The same {group.Key.GetType().Name} is there {group.Count()} times.");
    }

    private static void Stacks(OptionFailures failures, IExpert[] experts)
    {
        foreach (var group in experts.OfType<StackedExperts.Slice>().GroupBy(slice => slice.Stack))
        {
            var present = group.Select(slice => slice.Index).Distinct().Count();
            failures.Require(present == group.Key.Count, $"A stack of {group.Key.Count} experts must be given whole, but {present} of it are there.");
        }
    }
}
