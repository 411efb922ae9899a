using Moe.Core;

namespace Moe.HuggingFace;

/// <summary>
/// All that is particular to the blocks of one kind of model: what its tensors are called and how they lie, and what gate and experts are made of the fields of <c>config.json</c>.
/// </summary>
/// <remarks>A description, no code to derive from: a family of one's own is one such record, given to <see cref="Checkpoint.Open"/>. <see cref="ModelFamilies"/> has those that are known.</remarks>
public sealed record ModelFamily
{
    /// <summary>How people call it.</summary>
    public required string Name { get; init; }

    /// <summary>The <c>model_type</c> of its <c>config.json</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>What the names of a block's tensors begin with, <c>{layer}</c> for the layer's number; several where blocks lie in several places.</summary>
    /// <value>The default is <c>model.layers.{layer}.</c></value>
    public IReadOnlyList<string> Blocks { get; init; } = ["model.layers.{layer}."];

    /// <summary>The field of <c>config.json</c> that the settings lie in, where the language model is a part of a larger one; used if it is there.</summary>
    /// <value>The default is null: they lie at the top.</value>
    public string? ConfigPart { get; init; }

    /// <summary>The gate.</summary>
    public required Func<ModelConfig, GatingOptions> Gate { get; init; }

    /// <summary>The experts, if they are gated units (SwiGLU and its kin).</summary>
    /// <value>One of this and <see cref="PlainExperts"/> must be there.</value>
    public Func<ModelConfig, GatedFeedForwardOptions>? GatedExperts { get; init; }

    /// <summary>The experts, if they have no gate projection.</summary>
    public Func<ModelConfig, FeedForwardOptions>? PlainExperts { get; init; }

    /// <summary>The shared expert; null, or a function that gives null, for none.</summary>
    public Func<ModelConfig, SharedExpert?>? Shared { get; init; }

    /// <summary>
    /// The fields that say E, with dots into objects inside, such as <c>ffn_config.moe_num_experts</c>. When layers with another number of experts are saved, those that are there get it; the first is added where none is.
    /// </summary>
    /// <value>The default is empty: the family's models have as many experts as they have.</value>
    public IReadOnlyList<string> ExpertFields { get; init; } = [];

    /// <summary>The fields that say K, likewise.</summary>
    /// <value>The default is empty: K is fixed.</value>
    public IReadOnlyList<string> TopKFields { get; init; } = [];

    /// <summary>The tensors with one an expert.</summary>
    public required IReadOnlyList<WeightPlace> PerExpert { get; init; }

    /// <summary>The tensors with all experts in one.</summary>
    public required IReadOnlyList<WeightPlace> Fused { get; init; }

    /// <summary>The tensors quantised to MXFP4.</summary>
    /// <value>The default is null: there is no such layout.</value>
    public IReadOnlyList<WeightPlace>? Mxfp4 { get; init; }

    /// <summary>The layout in which the family's models are published; the other may be this library's own.</summary>
    public BlockLayout PublishedLayout { get; init; } = BlockLayout.PerExpert;

    /// <summary>Whether other libraries know both layouts. Where they do not, names in the other layout are this library's own.</summary>
    public bool BothLayoutsAreKnown { get; init; } = true;

    /// <summary>The layouts that there are.</summary>
    internal IEnumerable<BlockLayout> Layouts => Enum.GetValues<BlockLayout>().Where(layout => Places(layout) is not null);

    /// <summary>The table of one layout; null if there is none.</summary>
    public IReadOnlyList<WeightPlace>? Places(BlockLayout layout) => layout switch
    {
        BlockLayout.PerExpert => PerExpert,
        BlockLayout.Fused => Fused,
        BlockLayout.Mxfp4 => Mxfp4,
        _ => throw new ArgumentOutOfRangeException(nameof(layout), layout, $"There is no layout {layout}."),
    };
}
