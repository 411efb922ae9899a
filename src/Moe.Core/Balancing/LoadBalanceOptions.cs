namespace Moe.Core;

/// <summary>Which of the published conventions a <see cref="LoadBalance"/> follows. They agree in E · Σᵢ fᵢ · pᵢ and in little else.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when a loss is built from it. The value in brackets is that of perfect balance.</remarks>
public sealed record LoadBalanceOptions
{
    /// <summary>Switch Transformers [1] (Fedus et al. 2021, eq. 4-6), for K above 1 over all choices: the default of everything.</summary>
    public static LoadBalanceOptions Switch { get; } = new();

    /// <summary>GShard [1] (Lepikhin et al. 2020, section 2.2): first choices only. Also Tutel, V-MoE and DeepSpeed's top-2.</summary>
    public static LoadBalanceOptions GShard { get; } = new() { Counted = CountedChoices.First };

    /// <summary>MegaBlocks [1] (Gale et al. 2022): all choices, layers apart; the same as <see cref="Switch"/>.</summary>
    public static LoadBalanceOptions MegaBlocks { get; } = new();

    /// <summary>Megatron-LM's <c>aux_loss</c> [1]: the K best normalised scores, whatever was chosen.</summary>
    public static LoadBalanceOptions Megatron { get; } = new() { Counted = CountedChoices.TopScores };

    /// <summary>
    /// Hugging Face's <c>load_balancing_loss_func</c> [K] (Mixtral, Qwen-MoE, OLMoE, …): from the raw logits alone, all layers joined along the tokens, so that
    /// what one layer gives too much and another too little cancels.
    /// </summary>
    public static LoadBalanceOptions HuggingFace { get; } =
        new() { Counted = CountedChoices.TopScores, CleanScores = true, JoinLayers = true, TimesTopK = true };

    /// <summary>
    /// DeepSeek-V3's sequence-wise loss [1] (2024, eq. 17-20): each sequence for itself, then the mean. DeepSeek-V2 counts what was chosen
    /// (<see cref="Counted"/> = <see cref="CountedChoices.Assigned"/>).
    /// </summary>
    public static LoadBalanceOptions DeepSeekSequence { get; } = new() { Counted = CountedChoices.TopScores, Scope = TokenScope.Sequence };

    /// <summary>lucidrains/st-moe-pytorch [1 if nothing is dropped]: first choices after dropping, each sequence for itself.</summary>
    public static LoadBalanceOptions StMoe { get; } = new() { Counted = CountedChoices.FirstKept, Scope = TokenScope.Sequence };

    /// <summary>FastMoE's Switch gate [K · T / kept, 1 if nothing is dropped]: f and p over what capacity kept.</summary>
    public static LoadBalanceOptions FastMoeSwitch { get; } = new() { Counted = CountedChoices.Kept };

    /// <summary>
    /// Global-batch balance [1] (Qiu et al. 2025, "Demons in the Detail", eq. 3): f over all micro-batches of the step so far and over processes, p of the micro-batch.
    /// Experts may specialise on a domain that fills a micro-batch.
    /// </summary>
    public static LoadBalanceOptions GlobalBatch { get; } = new() { GlobalCounts = true };

    /// <summary>What is counted for f.</summary>
    /// <value>The default is <see cref="CountedChoices.Assigned"/>.</value>
    public CountedChoices Counted { get; init; } = CountedChoices.Assigned;

    /// <summary>Whether f and p are taken over the batch, or over each sequence, the loss being the mean over those that have real tokens.</summary>
    /// <value>The default is <see cref="TokenScope.Batch"/>.</value>
    public TokenScope Scope { get; init; } = TokenScope.Batch;

    /// <summary>Whether f is taken over the step so far (<see cref="Core.GlobalBatch"/>), while p stays that of the micro-batch. Without a global batch there is no difference.</summary>
    /// <value>The default is false. Only with <see cref="CountedChoices.Assigned"/> and <see cref="TokenScope.Batch"/>.</value>
    public bool GlobalCounts { get; init; }

    /// <summary>Whether all layers are one, as if their tokens came one after the other; they must have the same E. One scalar in all then.</summary>
    /// <value>The default is false: each layer is to be balanced. Only with <see cref="TokenScope.Batch"/>.</value>
    public bool JoinLayers { get; init; }

    /// <summary>Whether f = n / T rather than n / Σ n, so that the loss is K, the number of choices a token, at perfect balance.</summary>
    /// <value>The default is false: 1 at perfect balance. No effect on <see cref="CountedChoices.First"/>, of which a token has one.</value>
    public bool TimesTopK { get; init; }

    /// <summary>Whether p is the softmax of the raw logits, without noise and temperature, rather than the router's scores (Hugging Face, DeepSpeed).</summary>
    /// <value>The default is false. For routers whose scores are a softmax.</value>
    public bool CleanScores { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(LoadBalanceOptions))
        .Require(Enum.IsDefined(Counted), $"Counted ({Counted}) must be Assigned, First, FirstKept, Kept or TopScores.")
        .Require(Enum.IsDefined(Scope), $"Scope ({Scope}) must be Batch or Sequence.")
        .Require(!GlobalCounts || Counted == CountedChoices.Assigned, $"Counted ({Counted}) must be Assigned with GlobalCounts: a global batch counts nothing else.")
        .Require(!GlobalCounts || Scope == TokenScope.Batch, $"Scope ({Scope}) must be Batch with GlobalCounts.")
        .Require(!JoinLayers || Scope == TokenScope.Batch, $"Scope ({Scope}) must be Batch with JoinLayers.")
        .ThrowIfAny(parameterName);
}
