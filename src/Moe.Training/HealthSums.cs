using Moe.Core;

namespace Moe.Training;

/// <summary>Adds up the health of each gate over the micro-batches of a step, and over processes, so that all of them see the same.</summary>
internal sealed class HealthSums(IProcessSum? processes)
{
    // Tokens, norms and margins of each layer.
    private readonly OrderedDictionary<string, double[]> _layers = [];

    public void Add(string layer, long tokens, double logitNorm, double weightMargin)
    {
        if (!_layers.TryGetValue(layer, out var sums))
            _layers[layer] = sums = new double[3];
        sums[0] += tokens;
        sums[1] += logitNorm * tokens;
        sums[2] += weightMargin * tokens;
    }

    /// <summary>The means over all tokens. Once a step: processes add up here.</summary>
    public Dictionary<string, GateHealth> Read()
    {
        var health = new Dictionary<string, GateHealth>(_layers.Count);
        foreach (var (layer, sums) in _layers)
        {
            processes?.Sum(sums);
            var tokens = Math.Max(sums[0], 1);
            health[layer] = new GateHealth { Tokens = (long)sums[0], LogitNorm = sums[1] / tokens, WeightMargin = sums[2] / tokens };
        }
        return health;
    }
}
