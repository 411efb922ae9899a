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

    /// <summary>
    /// Whether a larger logit of a token never has a smaller score. If so, rules that need the order only may choose by logits, which tell apart
    /// what scores round to the same.
    /// </summary>
    public virtual bool KeepsOrder => false;

    /// <summary>Whether scores are known to be of the right shape and type; all others are checked.</summary>
    private bool IsTrusted => GetType().Assembly == typeof(ScoreFunction).Assembly;

    /// <summary>Computes the scores.</summary>
    /// <param name="logits">[T, E], Float32 or Float64.</param>
    /// <returns>[T, E], same type and device, 0 or more, differentiable.</returns>
    public abstract Tensor Score(Tensor logits);

    /// <inheritdoc/>
    public sealed override string ToString() => Name;

    /// <summary>The scores, or an exception where a function of the user's own gave what cannot be.</summary>
    internal Tensor Checked(Tensor logits)
    {
        var scores = Score(logits);
        if (!IsTrusted)
            TensorGuard.Made(scores, "Scores", logits.shape, logits.device, Name, logits.dtype);
        return scores;
    }

    private sealed record SoftmaxScore() : ScoreFunction("Softmax")
    {
        public override bool SumsToOne => true;

        public override bool KeepsOrder => true;

        public override Tensor Score(Tensor logits) => logits.softmax(-1);
    }

    private sealed record SigmoidScore() : ScoreFunction("Sigmoid")
    {
        public override bool KeepsOrder => true;

        public override Tensor Score(Tensor logits) => logits.sigmoid();
    }

    private sealed record SqrtSoftplusScore() : ScoreFunction("SqrtSoftplus")
    {
        /// <summary>From where on log(1 + exp(z)) is exp(z) in every type, and its mirror image z.</summary>
        private const double Far = 40;

        public override bool KeepsOrder => true;

        // Far below 0 it is exp(z / 2): softplus reaches 0 before, where its root has no slope. The clamps keep what the other branch has no use for finite.
        public override Tensor Score(Tensor logits) => where(
            logits.lt(-Far),
            (logits.clamp_max(-Far) / 2).exp(),
            nn.functional.softplus(logits.clamp_min(-Far), threshold: Far).sqrt());
    }

    private sealed record ReluScore() : ScoreFunction("Relu")
    {
        public override bool KeepsOrder => true;

        public override Tensor Score(Tensor logits) => logits.relu();
    }
}
