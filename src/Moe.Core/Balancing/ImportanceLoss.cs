using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The importance loss CV²(Σₜ gₜᵢ): how unequal the experts' summed weights are (Shazeer et al. 2017, eq. 6-7, without the factor w_importance).
/// </summary>
/// <remarks>0 at perfect balance; at full collapse onto one expert E - 1, or E with the unbiased variance. 0 for one expert, and where every token is padding.</remarks>
public sealed class ImportanceLoss : BalanceLoss
{
    /// <summary>Builds the loss.</summary>
    /// <param name="options">The convention; null for weights and the population variance.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ImportanceLoss(ImportanceOptions? options = null)
    {
        Options = options ?? new ImportanceOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The convention.</summary>
    public ImportanceOptions Options { get; }

    /// <inheritdoc/>
    public override string Name => "importance";

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A decision has been disposed.</exception>
    public override IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null) =>
        EachLayer(layers, decision => SquaredVariation.Of(Importance(decision), Options.Unbiased));

    private Tensor Importance(RoutingDecision decision) => Options.Source switch
    {
        ImportanceSource.Weights => zeros(decision.ExpertCount, dtype: decision.Weights.dtype, device: decision.Weights.device)
            .scatter_add(0, decision.Indices.reshape(-1), decision.Weights.reshape(-1)),
        ImportanceSource.Scores => RealTokens.Sum(decision, decision.Scores)[0],
        _ => RealTokens.Sum(decision, decision.Logits.softmax(-1))[0],
    };
}
