namespace Moe.HuggingFace;

/// <summary>The families that are known.</summary>
public static class ModelFamilies
{
    /// <summary>All of them; <c>docs/checkpoints.md</c> says what each can do.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } =
    [
        Mixtral.Family, Qwen.Qwen2, Qwen.Qwen3, Qwen.Olmoe, DeepSeek.V2, DeepSeek.V3, DeepSeek.Glm4, GptOss.Family, Granite.Family, Granite.WithShared,
        Mixtral.PhiMoE, Switch.Family, Dbrx.Family, DeepSeek.Ernie, Mixtral.MiniMaxM2, Llama4.Text, Llama4.Family,
    ];

    /// <summary>The family of a model.</summary>
    /// <param name="modelType">Its <c>model_type</c>.</param>
    /// <param name="more">Families besides the known ones; they go first.</param>
    /// <exception cref="NotSupportedException">It is none of them; the message lists all.</exception>
    public static ModelFamily Of(string modelType, IEnumerable<ModelFamily>? more = null)
    {
        ModelFamily[] all = [.. more ?? [], .. All];
        return all.FirstOrDefault(family => family.ModelType == modelType)
            ?? throw new NotSupportedException($"The model_type \"{modelType}\" is not known; known are {string.Join(", ", all.Select(family => family.ModelType).Order(StringComparer.Ordinal))}.");
    }
}
