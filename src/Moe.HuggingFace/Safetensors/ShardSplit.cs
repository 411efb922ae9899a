namespace Moe.HuggingFace;

/// <summary>Which tensors go into which shard: the rule of Hugging Face's tools.</summary>
internal static class ShardSplit
{
    /// <summary>Fills shard after shard in the given order. A tensor larger than a shard gets one of its own, before the one that is being filled.</summary>
    public static List<List<TensorDescription>> Of(IEnumerable<TensorDescription> tensors, long maxShardBytes)
    {
        var shards = new List<List<TensorDescription>>();
        var current = new List<TensorDescription>();
        var bytes = 0L;
        foreach (var tensor in tensors)
        {
            var size = FilePlan.ByteCount(tensor);
            if (size > maxShardBytes)
            {
                shards.Add([tensor]);
                continue;
            }
            if (size > maxShardBytes - bytes)
            {
                shards.Add(current);
                current = [];
                bytes = 0;
            }
            current.Add(tensor);
            bytes += size;
        }
        if (current.Count > 0 || shards.Count == 0)
            shards.Add(current);
        return shards;
    }
}
