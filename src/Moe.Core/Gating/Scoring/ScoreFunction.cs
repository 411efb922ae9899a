using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The second half of a router's first step: turns logits into scores, which say how well each expert suits a token.</summary>
/// <remarks>Immutable, with value equality. Derive from it for a function of your own.</remarks>
/// <param name="Name">How it is called in texts.</param>
public abstract record ScoreFunction(string Name)
{
    /// <summary>exp(zᵢ) / Σⱼ exp(zⱼ). Almost every published system.</summary>
    public static ScoreFunction Softmax { get; } = new SoftmaxScore();

    /// <summary>1 / (1 + exp(-z)): experts do not compete (DeepSeek-V3, 2024, eq. 15).</summary>
    public static ScoreFunction Sigmoid { get; } = new SigmoidScore();

    /// <summary>√log(1 + exp(z)): no upper bound, and slower than linear growth (DeepSeek-V4's router).</summary>
    public static ScoreFunction SqrtSoftplus { get; } = new SqrtSoftplusScore();

    /// <summary>max(z, 0): an expert with score 0 is not asked, so that the choice itself is differentiable (ReMoE, Wang et al. 2024, eq. 5).</summary>
    public static ScoreFunction Relu { get; } = new ReluScore();

    /// <summary>Whether the scores of a token sum to 1.</summary>
    public virtual bool SumsToOne => false;

    /// <summary>Computes the scores.</summary>
    /// <param name="logits">[T, E], Float32 or Float64.</param>
    /// <returns>[T, E], same type and device, 0 or more, differentiable.</returns>
    public abstract Tensor Score(Tensor logits);

    /// <inheritdoc/>
    public sealed override string ToString() => Name;

    private sealed record SoftmaxScore() : ScoreFunction("Softmax")
    {
        public override bool SumsToOne => true;

        public override Tensor Score(Tensor logits) => logits.softmax(-1);
    }

    private sealed record SigmoidScore() : ScoreFunction("Sigmoid")
    {
        public override Tensor Score(Tensor logits) => logits.sigmoid();
    }

    private sealed record SqrtSoftplusScore() : ScoreFunction("SqrtSoftplus")
    {
        // The root has no slope at 0, which softplus reaches below -100 or so in Float32.
        public override Tensor Score(Tensor logits) => nn.functional.softplus(logits).clamp_min(1e-30).sqrt();
    }

    private sealed record ReluScore() : ScoreFunction("Relu")
    {
        public override Tensor Score(Tensor logits) => logits.relu();
    }
}
