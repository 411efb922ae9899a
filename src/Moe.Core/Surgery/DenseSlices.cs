using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The weights of E experts that hold the slices of a dense block, [E, *], by name. Expert i holds slice i mod G.</summary>
/// <remarks>Matrices are seen with their hidden units in the same place: [E, parts, F/G, width], gate and up being parts of one.</remarks>
internal sealed class DenseSlices
{
    private readonly Dictionary<string, Tensor> _first = [];
    private readonly Dictionary<string, Tensor> _firstBias = [];
    private readonly Dictionary<string, Tensor> _last = [];
    private readonly Dictionary<string, Tensor> _lastBias = [];
    private readonly StackableExpert _dense;
    private readonly long _experts;

    public DenseSlices(StackableExpert dense, long hidden, int experts, int slices)
    {
        (_dense, _experts) = (dense, experts);
        foreach (var weight in dense.Recipe.Weights)
        {
            var value = dense.get_parameter(weight.Name)!.detach().to(ScalarType.Float64);
            switch (weight)
            {
                case { IsLast: false, FanIn: > 0 }:
                    _first[weight.Name] = Repeated(value.reshape(-1, slices, hidden / slices, value.size(1)).transpose(0, 1));
                    break;
                case { IsLast: false }:
                    _firstBias[weight.Name] = Repeated(value.reshape(-1, slices, hidden / slices).transpose(0, 1));
                    break;
                case { FanIn: > 0 }:
                    _last[weight.Name] = Repeated(value.reshape(value.size(0), slices, hidden / slices).permute(1, 2, 0).unsqueeze(1));
                    break;
                default:
                    _lastBias[weight.Name] = value.unsqueeze(0).expand(experts, -1);
                    break;
            }
        }
    }

    /// <summary>Multiplies.</summary>
    public void Scale(double first, double last, double lastBias)
    {
        Each(_first, value => value * first);
        Each(_firstBias, value => value * first);
        Each(_last, value => value * last);
        Each(_lastBias, value => value * lastBias);
    }

    /// <summary>Draws a share of each expert's hidden units anew.</summary>
    public void Reinitialize(double share, Generator? generator)
    {
        var like = _last.Values.First();
        var units = like.size(2);
        var count = (long)(share * units);
        if (count == 0)
            return;
        var order = WeightNoise.Uniform([_experts, units], like.device, generator).sort(1, stable: true).Indices.narrow(1, 0, count);
        var anew = zeros(_experts, units, dtype: like.dtype, device: like.device).scatter(1, order, ones_like(order).to(like.dtype)).reshape(_experts, 1, units, 1);
        Each(_first, Anew);
        Each(_last, Anew);

        Tensor Anew(Tensor value)
        {
            var entries = (double)count * value.size(3);
            var mean = (value * anew).sum([2, 3], keepdim: true) / entries;
            var deviation = (((value - mean) * anew).square().sum([2, 3], keepdim: true) / entries).sqrt();
            return value + (mean + WeightNoise.Normal(value, generator) * deviation - value) * anew;
        }
    }

    /// <summary>Adds Gaussian noise, as large as a share of each matrix' deviation, to a share of the entries.</summary>
    public void AddNoise(double noise, double share, Generator? generator)
    {
        Each(_first, Noisy);
        Each(_last, Noisy);

        Tensor Noisy(Tensor value)
        {
            var deviation = (value - value.mean([2, 3], keepdim: true)).square().mean([2, 3], keepdim: true).sqrt();
            var added = WeightNoise.Normal(value, generator) * deviation * noise;
            return value + (share == 1 ? added : added * WeightNoise.Uniform(value.shape, value.device, generator).lt(share));
        }
    }

    /// <summary>A weight of all experts, as a stack has it, in the block's type.</summary>
    public Parameter Weight(WeightShape weight)
    {
        var like = _dense.get_parameter(weight.Name)!;
        var value = _last.TryGetValue(weight.Name, out var last)
            ? last.squeeze(1).transpose(1, 2)
            : _first.GetValueOrDefault(weight.Name) ?? _firstBias.GetValueOrDefault(weight.Name) ?? _lastBias[weight.Name];
        return NewParameter.From(value.reshape([_experts, .. weight.Shape]).to(like.dtype).contiguous().clone(), like.requires_grad);
    }

    /// <summary>[G, *] as often as there are experts for.</summary>
    private Tensor Repeated(Tensor slices) => cat([.. Enumerable.Repeat(slices, (int)(_experts / slices.size(0)))]);

    private static void Each(Dictionary<string, Tensor> weights, Func<Tensor, Tensor> change)
    {
        foreach (var name in weights.Keys.ToArray())
            weights[name] = change(weights[name]);
    }
}
