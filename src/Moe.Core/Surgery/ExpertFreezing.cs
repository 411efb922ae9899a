using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes a layer in which some of the experts of another one, or the gate, no longer learn, or learn again.</summary>
/// <remarks>
/// <para>Experts of one stack share their parameters, and masking the gradients of some would not keep them still: weight decay and the momentum of an optimizer move what has a gradient of zero. So that frozen experts get a stack of their
/// own, which asks for no gradient, and those that learn lie in other stacks. A layer in several stacks does without the one-step path of SwiGLUs on the CPU; unfreezing puts neighbours together again.</para>
/// <para>The function stays the same, to the rounding of other products. A frozen gate still has its selection bias moved by a balancing that trains it: leave that off. Rows of the gate cannot be frozen one by one.</para>
/// </remarks>
public static class ExpertFreezing
{
    /// <summary>Freezes experts; those that were frozen before stay frozen.</summary>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="experts">Who no longer learns.</param>
    /// <param name="router">Whether the gate no longer learns.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    /// <returns>The new layer and, with a probe, the report.</returns>
    /// <exception cref="ArgumentException">An expert is not there or named twice, gate or experts cannot be copied, or the probe does not fit. Nothing has been made then.</exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static SurgeryResult Freeze(MixtureOfExperts layer, IEnumerable<int> experts, bool router = false, Tensor? probe = null) => With(layer, experts, router, learn: false, probe);

    /// <summary>Lets experts learn again.</summary>
    /// <inheritdoc cref="Freeze"/>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="experts">Who learns again.</param>
    /// <param name="router">Whether the gate does too.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    public static SurgeryResult Unfreeze(MixtureOfExperts layer, IEnumerable<int> experts, bool router = false, Tensor? probe = null) => With(layer, experts, router, learn: true, probe);

    private static SurgeryResult With(MixtureOfExperts layer, IEnumerable<int> experts, bool router, bool learn, Tensor? probe)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ObjectDisposedException.ThrowIf(layer.IsDisposed, layer);
        var named = LayerPlan.Named(layer, experts, nameof(experts), nullExperts: true).ToHashSet();
        var failures = new OptionFailures("The layer")
            .Require(GateCopy.CanCopy(layer.Gate), $"The gate ({layer.Gate.GetType().Name}) cannot be copied: it must be a {nameof(GatingNetwork)} or a {nameof(SoftRouter)}.");
        ExpertCopies.Check(failures, "Expert", layer.Experts);
        ExpertCopies.Check(failures, "Shared expert", layer.SharedExperts);
        failures.ThrowIfAny(nameof(layer));

        int[] all = [.. Enumerable.Range(0, layer.Experts.Count)];
        return LayerPlan.Carry(
            layer,
            () => (GateCopy.Whole(layer.Gate), ExpertCopies.Of(layer.Experts, all, index => named.Contains(index) ? learn : null)),
            made =>
            {
                if (!router)
                    return;
                foreach (var parameter in made.Gate.parameters())
                    parameter.requires_grad = learn;
            },
            all, all, probe);
    }
}
