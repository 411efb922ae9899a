using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>What a block is to be in a checkpoint: its tensors in the checkpoint's layout and types, whatever it was loaded from.</summary>
internal sealed class BlockUpdate
{
    private readonly PublishedBlock _block;
    private readonly OrderedDictionary<string, (PublishedTensor Tensor, ElementType Type)> _tensors = new(StringComparer.Ordinal);

    private BlockUpdate(Checkpoint source, PublishedBlock block, IReadOnlyList<PublishedTensor> before)
    {
        _block = block;
        foreach (var tensor in block.Tensors)
        {
            // Experts that are new have the type of the others.
            var like = source.Tensors.Entries.ContainsKey(tensor.Name) ? tensor.Name : before.First(other => other.Role == tensor.Role).Name;
            _tensors.Add(tensor.Name, (tensor, source.Tensors.Entries[like].Type));
        }
    }

    public BlockInfo Info => _block.Info;

    public int Experts => _block.Experts;

    public int TopK => _block.TopK;

    /// <summary>What a file says of the tensors.</summary>
    public IReadOnlyList<TensorDescription> Tensors => [.. _tensors.Values.Select(made => new TensorDescription(made.Tensor.Name, made.Type, made.Tensor.Shape))];

    /// <summary>Checks that a block can be written into a checkpoint, E and K apart.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="block">The block.</param>
    /// <param name="parameterName">What is at fault where it cannot.</param>
    /// <exception cref="ArgumentException">The checkpoint has no such block.</exception>
    /// <exception cref="NotSupportedException">The block is quantised there, or its weights are kept compressed.</exception>
    public static BlockUpdate Of(Checkpoint source, PublishedBlock block, string parameterName)
    {
        ArgumentNullException.ThrowIfNull(block, parameterName);
        if (!source.Blocks.Contains(block.Info) || block.Family != source.Family)
            throw new ArgumentException($"The block {block.Info.Beginning} ({block.Family.Name}, {block.Info.Layout}) is not of {source.Folder}.", parameterName);
        if (block.Compression is { } compression)
            throw new NotSupportedException($"The weights of {block.Info.Beginning} are kept as {compression}: they are not what the checkpoint has.");
        var before = source.Checked(block.Info);
        if (before.FirstOrDefault(tensor => tensor.IsQuantised(source.Tensors)) is { } quantised)
            throw new NotSupportedException($"{quantised.Name} is quantised in {source.Folder}, and trained weights are not quantised again. {nameof(Checkpoint)}.{nameof(Checkpoint.Decode)} makes a checkpoint that takes them.");

        // Names alone may be those of a smaller or larger model.
        var own = block.Tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Shape, StringComparer.Ordinal);
        foreach (var tensor in source.Plan.With(block.Experts, block.TopK).Tensors(block.Info.Beginning, block.Info.Layout))
        {
            if (!own.TryGetValue(tensor.Name, out var shape) || !shape.AsSpan().SequenceEqual(tensor.Shape))
                throw new ArgumentException($"The block {block.Info.Beginning} is not of {source.Folder}: it has {tensor.Name} {(shape is null ? "not at all" : $"of shape [{string.Join(", ", shape)}]")}; expected [{string.Join(", ", tensor.Shape)}].", parameterName);
        }
        return new BlockUpdate(source, block, before);
    }

    /// <summary>A tensor as it is now, on the CPU; the caller's.</summary>
    public Tensor Weight(string name) => _block.Weight(_tensors[name].Tensor, _tensors[name].Type.ToTorch());
}
