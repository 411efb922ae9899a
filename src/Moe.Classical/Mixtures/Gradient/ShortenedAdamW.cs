using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Steps of AdamW of which a share is taken. A step is in proportion to its learning rate, so that this is a step at that share of the rate.</summary>
internal sealed class ShortenedAdamW(IReadOnlyList<Tensor> parameters, double learningRate, double weightDecay)
{
    private readonly HostAdamW _whole = new(parameters, learningRate, weightDecay);
    private readonly double[][] _before = [.. parameters.Select(parameter => new double[parameter.numel()])];

    /// <summary>A share of one step along the gradients, which are zero afterwards.</summary>
    public void Step(double share)
    {
        for (var number = 0; number < parameters.Count; number++)
            HostMemory.Of<double>(parameters[number]).CopyTo(_before[number]);
        _whole.Step();
        if (share == 1)
            return;
        for (var number = 0; number < parameters.Count; number++)
        {
            var values = HostMemory.Of<double>(parameters[number]);
            var before = _before[number];
            for (var place = 0; place < values.Length; place++)
                values[place] = before[place] + (share * (values[place] - before[place]));
        }
    }
}
