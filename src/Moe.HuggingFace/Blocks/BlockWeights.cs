using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The bytes of blocks that are in memory, put together for one tensor at a time.</summary>
internal sealed class BlockWeights(IReadOnlyList<BlockUpdate> blocks) : IDisposable
{
    private readonly Dictionary<string, BlockUpdate> _blockOf = blocks
        .SelectMany(block => block.Tensors.Select(tensor => (tensor.Name, block))).ToDictionary(pair => pair.Name, pair => pair.block, StringComparer.Ordinal);

    private string? _name;
    private Tensor? _weight;

    /// <inheritdoc cref="TensorReader"/>
    public void Read(string name, long firstByte, Span<byte> destination)
    {
        if (_name != name)
        {
            Dispose();
            _weight = _blockOf[name].Weight(name).DetachFromDisposeScope();
            _name = name;
        }
        TensorBytes.Copy(_weight!, firstByte, destination);
    }

    public void Dispose()
    {
        _weight?.Dispose();
        (_name, _weight) = (null, null);
    }
}
