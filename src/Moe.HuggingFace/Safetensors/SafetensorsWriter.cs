using Moe.Training;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Writes safetensors files with the very bytes that the reference implementation writes for the same tensors.</summary>
/// <remarks>
/// The data begin with the types of large numbers and are sorted by name within each type, so that everything lies aligned; see <see cref="TensorOrder"/>. Files appear as a whole or not at all, and a file that was there stays until the new one is complete.
/// Arguments are checked before anything is touched.
/// </remarks>
public static class SafetensorsWriter
{
    private const int Piece = 1 << 22;

    /// <summary>Writes tensors.</summary>
    /// <param name="path">The file; its folder is made if need be.</param>
    /// <param name="tensors">By name. They may lie on any device and in any order of strides: one at a time is copied where need be. Bytes are written as U8.</param>
    /// <param name="metadata">Texts in their order; <see langword="null"/> for none. Hugging Face's loaders ask for "format": "pt".</param>
    /// <exception cref="ArgumentException">The format has no place for a tensor, or for a name.</exception>
    /// <exception cref="IOException">It cannot be written there; the message names it.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        WriteFile(path, FilePlan.Of(tensors.Select(pair => TensorWriting.Describe(pair.Key, pair.Value)), metadata, TensorOrder.Reference),
            (stream, entry) => TensorWriting.Write(stream, tensors[entry.Name]));
    }

    /// <summary>Writes tensors piece by piece, so that a file can be larger than memory.</summary>
    /// <param name="path">The file; its folder is made if need be.</param>
    /// <param name="tensors">What it shall hold.</param>
    /// <param name="read">Gives the bytes, tensor by tensor in the order of the data.</param>
    /// <param name="metadata">Texts in their order; <see langword="null"/> for none. Hugging Face's loaders ask for "format": "pt".</param>
    /// <param name="order">The order of the data. As given, tensors must come so that each lies at a multiple of its numbers' size.</param>
    /// <exception cref="ArgumentException">The format has no place for a tensor, or for a name.</exception>
    /// <exception cref="IOException">It cannot be written there; the message names it.</exception>
    public static void WritePieces(
        string path, IEnumerable<TensorDescription> tensors, TensorReader read, IReadOnlyDictionary<string, string>? metadata = null, TensorOrder order = TensorOrder.Reference)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(read);
        WriteFile(path, FilePlan.Of(tensors, metadata, order), read);
    }

    /// <summary>Writes a model into a folder as Hugging Face's tools do: shards <c>model-00001-of-0000N.safetensors</c> with an index, or one <c>model.safetensors</c>.</summary>
    /// <remarks>
    /// A model that was there under these names is replaced once all new files are complete, and stays untouched if writing fails before. A process that
    /// dies in the moment of replacing leaves a folder without index: one that is refused, never one that mixes two models.
    /// </remarks>
    /// <param name="folder">Made if need be.</param>
    /// <param name="tensors">What it shall hold. Shards are filled in this order.</param>
    /// <param name="read">Gives the bytes, shard by shard, tensor by tensor in the order of the data.</param>
    /// <param name="maxShardBytes">Bytes of data in a shard; a tensor that is larger gets one for itself. Range: ≥ 1.</param>
    /// <param name="metadata">Texts for each shard, in their order; <see langword="null"/> for none. Hugging Face's loaders ask for "format": "pt".</param>
    /// <param name="order">The order of the data in a shard. As given, tensors must come so that each lies at a multiple of its numbers' size.</param>
    /// <exception cref="ArgumentException">The format has no place for a tensor, or for a name.</exception>
    /// <exception cref="IOException">It cannot be written there; the message names it.</exception>
    public static void WriteShards(
        string folder, IEnumerable<TensorDescription> tensors, TensorReader read, long maxShardBytes, IReadOnlyDictionary<string, string>? metadata = null,
        TensorOrder order = TensorOrder.Reference)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(read);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        var all = tensors.ToList();

        // All names in one plan: those of different shards must differ, too.
        _ = FilePlan.Of(all, metadata, TensorOrder.Reference);
        var plans = ShardSplit.Of(all, maxShardBytes).Select(shard => FilePlan.Of(shard, metadata, order)).ToList();
        ShardedModel.Replace(Path.GetFullPath(folder), plans, (path, plan) => WriteFile(path, plan, read));
    }

    private static void WriteFile(string path, FilePlan plan, TensorReader read)
    {
        // A multiple of all sizes of numbers.
        var buffer = new byte[Math.Min(Piece, plan.Entries.Max(entry => (long?)entry.ByteCount) ?? 0)];
        WriteFile(path, plan, (stream, entry) =>
        {
            for (long done = 0; done < entry.ByteCount;)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.ByteCount - done));
                read(entry.Name, done, piece);
                stream.Write(piece);
                done += piece.Length;
            }
        });
    }

    private static void WriteFile(string path, FilePlan plan, Action<Stream, TensorEntry> write) => AtomicFile.Write(path, stream =>
    {
        stream.Write(plan.Head);
        foreach (var entry in plan.Entries)
            write(stream, entry);
    });
}
