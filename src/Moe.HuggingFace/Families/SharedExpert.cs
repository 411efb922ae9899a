namespace Moe.HuggingFace;

/// <summary>The expert that answers every token, of the same kind as the others.</summary>
/// <param name="HiddenWidth">Its F; several shared experts are published as one of their joint width.</param>
/// <param name="IsSelfGated">Whether its answer counts by σ(x · wᵀ), as in Qwen2-MoE.</param>
public sealed record SharedExpert(long HiddenWidth, bool IsSelfGated = false);
