namespace Moe.Core;

/// <summary>
/// The gates of published systems as options: a place to start, to be changed with <c>with</c>. Each says where it is from. Balancing losses and learning rates are
/// not part of a gate; <c>docs/features.md</c> says which goes with which.
/// </summary>
public static class PublishedGates
{
    /// <summary>Jordan and Jacobs 1994: every expert answers, weighted by a softmax.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Dense(long inputWidth, int expertCount) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = expertCount };

    /// <summary>Jordan and Jacobs 1994, two levels: a softmax over groups times a softmax inside each.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="groups">G, a divisor of E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Hierarchical(long inputWidth, int expertCount, int groups) =>
        Dense(inputWidth, expertCount) with { Projection = new TwoLevelProjection { Groups = groups } };

    /// <summary>Shazeer et al. 2017: noisy top-k, softmax over the chosen.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Shazeer(long inputWidth, int expertCount, int topK = 2) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = topK, Noise = new LearnedNoise() };

    /// <summary>GShard (Lepikhin et al. 2020): top-2, the second by chance, capacity 2 · tokens / E · factor.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E, at least 2.</param>
    /// <returns>The options.</returns>
    public static GatingOptions GShard(long inputWidth, int expertCount) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        Selection = new StochasticSelection(),
        Softmax = SoftmaxOrder.BeforeSelection,
        Renormalize = true,
        Capacity = new CapacityOptions { Factor = 1, EvaluationFactor = 1 },
    };

    /// <summary>Switch Transformers (Fedus et al. 2021): top-1, weight = probability, jitter 0.01, capacity 1.25 and 2.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Switch(long inputWidth, int expertCount) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = 1,
        Softmax = SoftmaxOrder.BeforeSelection,
        InputJitter = 0.01,
        Capacity = new CapacityOptions { Factor = 1.25, EvaluationFactor = 2 },
    };

    /// <summary>V-MoE (Riquelme et al. 2021): fixed noise 1/E, softmax before top-k, batch-prioritised capacity.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions VMoE(long inputWidth, int expertCount, int topK = 2) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Noise = new GaussianNoise(),
        Softmax = SoftmaxOrder.BeforeSelection,
        Capacity = new CapacityOptions { Factor = 1.05, EvaluationFactor = 1.05, Rounding = CapacityRounding.Nearest, Overflow = Overflow.BatchPrioritized },
    };

    /// <summary>BASE layers (Lewis et al. 2021): balanced assignment while training, weight = sigmoid.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Base(long inputWidth, int expertCount) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = 1,
        Score = ScoreFunction.Sigmoid,
        Selection = new BalancedAssignmentSelection(),
    };

    /// <summary>Hash layers (Roller et al. 2021): a fixed table by token id; weights from sigmoid scores, normalised.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="vocabularySize">V.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Hash(long inputWidth, int expertCount, long vocabularySize, int topK = 1) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Selection = new TableSelection { VocabularySize = vocabularySize },
        Score = ScoreFunction.Sigmoid,
        Renormalize = topK > 1,
    };

    /// <summary>X-MoE (Chi et al. 2022): top-1 by cosine in E/2 dimensions, with a learned temperature that begins as Tutel's does.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions XMoE(long inputWidth, int expertCount, int topK = 1) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Projection = new CosineProjection { Width = Math.Max(1, expertCount / 2) },
        Softmax = SoftmaxOrder.BeforeSelection,
    };

    /// <summary>S-BASE (Clark et al. 2022), as in Megatron: a Sinkhorn plan chooses while training.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Sinkhorn(long inputWidth, int expertCount, int topK = 1) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Selection = new SinkhornSelection(),
        Score = topK == 1 ? ScoreFunction.Sigmoid : ScoreFunction.Softmax,
        Softmax = SoftmaxOrder.BeforeSelection,
    };

    /// <summary>Expert choice (Zhou et al. 2022): each expert takes its best tokens, K experts a token on average.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K, the paper's capacity factor.</param>
    /// <returns>The options.</returns>
    public static GatingOptions ExpertChoice(long inputWidth, int expertCount, int topK = 2) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Selection = new ExpertChoiceSelection(),
        Softmax = SoftmaxOrder.BeforeSelection,
    };

    /// <summary>Mixtral (Jiang et al. 2024): top-k, softmax over the chosen. Granite and gpt-oss too (gpt-oss with <see cref="GatingOptions.Bias"/>).</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Mixtral(long inputWidth, int expertCount, int topK = 2) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = topK };

    /// <summary>Qwen2-MoE, Qwen3-MoE, OLMoE: softmax, then top-k; renormalised in Qwen3, not by default in the others.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <param name="renormalize">The checkpoint's <c>norm_topk_prob</c>.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Qwen(long inputWidth, int expertCount, int topK, bool renormalize) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = topK, Softmax = SoftmaxOrder.BeforeSelection, Renormalize = renormalize };

    /// <summary>DeepSeek-V2 (2024): softmax, groups by their best expert, weights scaled and not renormalised.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <param name="groups">Groups.</param>
    /// <param name="keptGroups">Groups that a token may use.</param>
    /// <param name="scalingFactor">The factor on the weights.</param>
    /// <returns>The options.</returns>
    public static GatingOptions DeepSeekV2(long inputWidth, int expertCount, int topK, int groups, int keptGroups, double scalingFactor = 1) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Selection = new GroupLimitedSelection { Groups = groups, KeptGroups = keptGroups, ScoresPerGroup = 1 },
        Softmax = SoftmaxOrder.BeforeSelection,
        ScalingFactor = scalingFactor,
    };

    /// <summary>DeepSeek-V3 (2024): sigmoid, selection bias, groups by the sum of their two best, weights renormalised and scaled.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <param name="groups">Groups.</param>
    /// <param name="keptGroups">Groups that a token may use.</param>
    /// <param name="scalingFactor">The factor on the weights.</param>
    /// <returns>The options.</returns>
    public static GatingOptions DeepSeekV3(long inputWidth, int expertCount, int topK, int groups = 1, int keptGroups = 1, double scalingFactor = 1) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = topK,
        Score = ScoreFunction.Sigmoid,
        SelectionBias = true,
        Selection = groups == 1 ? SelectionRule.TopK : new GroupLimitedSelection { Groups = groups, KeptGroups = keptGroups },
        Renormalize = true,
        ScalingFactor = scalingFactor,
    };

    /// <summary>Llama 4 (2025): top-1 by logits, the sigmoid of the logit times the expert's input.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="topK">K.</param>
    /// <returns>The options.</returns>
    public static GatingOptions Llama4(long inputWidth, int expertCount, int topK = 1) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = topK, Score = ScoreFunction.Sigmoid, WeightTarget = WeightTarget.Input };

    /// <summary>PhiMoE (GRIN, Liu et al. 2024): SparseMixer, K = 2.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions PhiMoE(long inputWidth, int expertCount) =>
        new() { InputWidth = inputWidth, ExpertCount = expertCount, Selection = new SparseMixerSelection() };

    /// <summary>ReMoE (Wang et al. 2024): ReLU scores; experts above 0 are asked. Needs the adaptive L1 term, which drives sparsity to K of E.</summary>
    /// <param name="inputWidth">D.</param>
    /// <param name="expertCount">E.</param>
    /// <returns>The options.</returns>
    public static GatingOptions ReMoE(long inputWidth, int expertCount) => new()
    {
        InputWidth = inputWidth,
        ExpertCount = expertCount,
        TopK = expertCount,
        Score = ScoreFunction.Relu,
        Selection = new ThresholdSelection { AlwaysBest = false },
    };
}
