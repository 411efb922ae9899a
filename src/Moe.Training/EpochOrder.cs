using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// The order of the samples in one epoch: a function of seed and epoch alone, so that its place in training is all there is to save.
/// </summary>
internal sealed class EpochOrder : IDisposable
{
    private readonly Tensor _order;
    private readonly int _batchSize;
    private readonly int _accumulation;

    public EpochOrder(long samples, TrainerOptions options, int epoch)
    {
        // Seeds of neighbouring epochs must not be neighbours of another run's: mix, do not add.
        var seed = unchecked((ulong)options.Seed * 0x9E3779B97F4A7C15UL + (ulong)(epoch + 1) * 0xBF58476D1CE4E5B9UL);
        using var generator = new Generator(seed, CPU);
        _order = randperm(samples, dtype: ScalarType.Int64, device: CPU, generator: generator).DetachFromDisposeScope();
        _batchSize = options.BatchSize;
        _accumulation = options.AccumulationSteps;
    }

    /// <summary>Optimizer steps of an epoch.</summary>
    public static long Steps(long samples, TrainerOptions options)
    {
        var perStep = (long)options.BatchSize * options.AccumulationSteps;
        return (samples + perStep - 1) / perStep;
    }

    /// <summary>The micro-batches of one step, as indices into the samples; the caller owns them.</summary>
    public IEnumerable<Tensor> Batches(long stepInEpoch)
    {
        var first = stepInEpoch * _batchSize * _accumulation;
        for (var part = 0; part < _accumulation; part++)
        {
            var start = first + (long)part * _batchSize;
            if (start >= _order.size(0))
                yield break;
            yield return _order.narrow(0, start, Math.Min(_batchSize, _order.size(0) - start));
        }
    }

    public void Dispose() => _order.Dispose();
}
