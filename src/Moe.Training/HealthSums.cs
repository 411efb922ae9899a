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

    /// <summary>The means over all tokens. Once a step, for all layers together: processes wait for each other here.</summary>
    public Dictionary<string, GateHealth> Read()
    {
        double[] sums = [.. _layers.Values.SelectMany(layer => layer)];
        processes?.Sum(sums);
        var health = new Dictionary<string, GateHealth>(_layers.Count);
        foreach (var (index, layer) in _layers.Keys.Index())
        {
            var (tokens, norms, margins) = (sums[3 * index], sums[3 * index + 1], sums[3 * index + 2]);
            health[layer] = new GateHealth { Tokens = (long)tokens, LogitNorm = norms / Math.Max(tokens, 1), WeightMargin = margins / Math.Max(tokens, 1) };
        }
        return health;
    }
}
