using System.Globalization;
using Moe.HuggingFace;

namespace HuggingFaceBlock;

/// <summary>What a block is called on a command line: its layer's number, or what its tensors' names begin with where an encoder and a decoder have the same numbers.</summary>
internal static class BlockName
{
    public static string Of(Checkpoint checkpoint, BlockInfo block) =>
        checkpoint.Blocks.Count(other => other.Layer == block.Layer) == 1 ? block.Layer.ToString(CultureInfo.InvariantCulture) : Beginning(block);

    /// <summary>What its tensors' names begin with.</summary>
    public static string Beginning(BlockInfo block) => block.Beginning.TrimEnd('.');

    /// <summary>The block of a name; the first for null.</summary>
    /// <exception cref="ArgumentException">None or several are called so; the message lists those that are there.</exception>
    public static BlockInfo Find(Checkpoint checkpoint, string? name)
    {
        var first = checkpoint.Block();
        return name is null ? first : checkpoint.Blocks.FirstOrDefault(block => name == Of(checkpoint, block) || name == Beginning(block))
            ?? throw new ArgumentException($"Layer {name} of {checkpoint.Folder} has no block of its own; the blocks are {string.Join(", ", checkpoint.Blocks.Select(block => Of(checkpoint, block)))}.");
    }
}
