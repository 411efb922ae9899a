using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes a mixture of experts from a dense feed-forward block: each expert begins as a copy of the block, or of a slice of it.</summary>
/// <remarks>
/// <para>Copies: sparse upcycling (Komatsuzaki et al. 2023). Slices, weights times a factor, rows of the gate alike for all slices of the block: He et al. 2024, "Upcycling Large Language Models into Mixture of Experts", and Megatron-LM. Hidden
/// units drawn anew: Nakamura et al. 2025, "Drop-Upcycling".</para>
/// <para>Without noise, the new layer answers as the block did, to rounding, where the weights of a token's K experts sum to the same whatever the token is (a softmax after selection, or <see cref="GatingOptions.Renormalize"/> with p = 1), K
/// is a multiple of <see cref="UpcyclingOptions.Granularity"/>, and the last matrix takes the factor (<see cref="UpcyclingScaling.Output"/>) or the activation is ReLU. Elsewhere, as with a softmax over all experts, it does so where the gate's logits are equal, and nearly while they are small: make the gate's rows small if it matters. Rules that leave out choices (thresholds, top-p, expert choice), and a
/// capacity that drops tokens, change what is summed up.</para>
/// <para>Copies that are told apart by nothing get different gradients only as the gate sends them different tokens, with different weights; slices of one block stay together until then, and noise on the gate's logits while training parts them.</para>
/// </remarks>
public static class Upcycling
{
    /// <summary>Makes the layer.</summary>
    /// <param name="dense">The block, a <see cref="FeedForwardExpert"/> or <see cref="GatedFeedForwardExpert"/>; stays as it was (<see cref="DenseBlock"/> makes one from matrices).</param>
    /// <param name="options">Gate, slices, scaling, noise.</param>
    /// <param name="generator">Draws the gate's first weights, then units and noise; torch's global one when null. Not kept.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    /// <returns>The new layer, of the block's type and on its device, and, with a probe, the report.</returns>
    /// <exception cref="ArgumentException">An option is out of range (the message lists all that are), block and gate do not fit, or the probe does not. Nothing has been made then.</exception>
    /// <exception cref="ObjectDisposedException">The block has been disposed.</exception>
    public static SurgeryResult Upcycle(StackableExpert dense, UpcyclingOptions options, Generator? generator = null, Tensor? probe = null)
    {
        ArgumentNullException.ThrowIfNull(dense);
        ArgumentNullException.ThrowIfNull(options);
        ObjectDisposedException.ThrowIf(dense.IsDisposed, dense);
        options.Validate(nameof(options));
        var (hidden, recipe) = Sliced(dense, options.Granularity);
        if (options.Gate.InputWidth != dense.InputWidth)
            throw new ArgumentException($"Expected a gate of the block's input width, {dense.InputWidth}, got one of width {options.Gate.InputWidth}.", nameof(options));
        if (options.Gate.Capacity is { Dropped: DroppedTokens.PassThrough } && dense.InputWidth != dense.OutputWidth)
            throw new ArgumentException($"Dropped tokens that pass through need experts whose output ({dense.OutputWidth}) is as wide as their input ({dense.InputWidth}).", nameof(options));

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var before = probe is null ? default : ProbeAnswer.Of(dense, probe);
        var layer = new MixtureOfExperts(NewGate(dense, options, generator), NewExperts(dense, recipe, hidden, options, generator));
        layer.train(dense.training);
        try
        {
            var report = probe is null ? null : PreservationReport.Of(before, ProbeAnswer.Of(layer, probe), []);
            return new SurgeryResult(layer, new int[options.Gate.ExpertCount], [], report);
        }
        catch
        {
            layer.Dispose();
            throw;
        }
    }

    /// <summary>The block's hidden width, and the recipe of an expert that holds one slice of it.</summary>
    private static (long Hidden, ExpertRecipe Recipe) Sliced(StackableExpert dense, int slices)
    {
        var (hidden, recipe) = dense.Recipe switch
        {
            FeedForwardRecipe { Options: var options } => (options.HiddenWidth, (ExpertRecipe)new FeedForwardRecipe(options with { HiddenWidth = options.HiddenWidth / slices })),
            GatedFeedForwardRecipe { Options: var options } => (options.HiddenWidth, new GatedFeedForwardRecipe(options with { HiddenWidth = options.HiddenWidth / slices })),
            _ => throw new ArgumentException($"Expected a {nameof(FeedForwardExpert)} or {nameof(GatedFeedForwardExpert)}, got a {dense.GetType().Name}.", nameof(dense)),
        };
        return hidden % slices == 0
            ? (hidden, recipe)
            : throw new ArgumentException($"Granularity ({slices}) must divide the block's hidden width ({hidden}).", nameof(dense));
    }

    /// <summary>A fresh gate in which the experts of one block share a row: the first E/G of those drawn.</summary>
    private static GatingNetwork NewGate(StackableExpert dense, UpcyclingOptions options, Generator? generator)
    {
        var weight = dense.RecipeWeights[0];
        var gate = new GatingNetwork(options.Gate, generator, weight.device, weight.dtype) { Generator = null };
        if (options.Granularity > 1)
        {
            var blocks = options.Gate.ExpertCount / options.Granularity;
            gate.Weight.copy_(gate.Weight.narrow(0, 0, blocks).unsqueeze(1).expand(blocks, options.Granularity, gate.Weight.size(1)).reshape(gate.Weight.shape).clone());
        }
        return gate;
    }

    private static StackedExperts NewExperts(StackableExpert dense, ExpertRecipe recipe, long hidden, UpcyclingOptions options, Generator? generator)
    {
        var slices = new DenseSlices(dense, hidden, options.Gate.ExpertCount, options.Granularity);
        if (options.Scaling != UpcyclingScaling.None)
        {
            var sum = WeightSum.Of(options.Gate)!.Value;
            var factor = options.Granularity / sum;
            var each = Math.Pow(factor, recipe is GatedFeedForwardRecipe ? 1.0 / 3 : 1.0 / 2);
            if (options.Scaling == UpcyclingScaling.Output)
                slices.Scale(1, factor, 1 / sum);
            else
                slices.Scale(each, each, 1 / sum);
        }
        if (options.ReinitializedShare > 0)
            slices.Reinitialize(options.ReinitializedShare, generator);
        if (options.Noise > 0 && options.NoisyShare > 0)
            slices.AddNoise(options.Noise, options.NoisyShare, generator);
        return StackedExperts.Of(recipe, options.Gate.ExpertCount, slices.Weight);
    }
}
