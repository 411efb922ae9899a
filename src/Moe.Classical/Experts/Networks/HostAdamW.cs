using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>AdamW (Loshchilov and Hutter 2019) on parameters of Float64 on the CPU, β = 0.9 and 0.999.</summary>
/// <remarks>Loops over the numbers in place: fits run on several threads at once, where torch's own optimizers pass on numbers that are not kept alive.</remarks>
internal sealed class HostAdamW(IReadOnlyList<Tensor> parameters, double learningRate, double weightDecay)
{
    private const double Beta1 = 0.9;
    private const double Beta2 = 0.999;
    private const double Epsilon = 1e-8;

    private readonly double[][] _means = [.. parameters.Select(parameter => new double[parameter.numel()])];
    private readonly double[][] _squares = [.. parameters.Select(parameter => new double[parameter.numel()])];
    private int _steps;

    /// <summary>One step along the gradients, which are zero afterwards.</summary>
    /// <param name="share">Of the learning rate.</param>
    public void Step(double share = 1)
    {
        _steps++;
        var rate = share * learningRate;
        var (correction1, correction2) = (1 - Math.Pow(Beta1, _steps), 1 - Math.Pow(Beta2, _steps));
        for (var number = 0; number < parameters.Count; number++)
        {
            using var gradient = parameters[number].grad;
            if (gradient is null)
                continue;
            using var plain = gradient.contiguous();
            var slopes = HostMemory.Of<double>(plain);
            var values = HostMemory.Of<double>(parameters[number]);
            var (means, squares) = (_means[number], _squares[number]);
            for (var place = 0; place < slopes.Length; place++)
            {
                var slope = slopes[place];
                means[place] = (Beta1 * means[place]) + ((1 - Beta1) * slope);
                squares[place] = (Beta2 * squares[place]) + ((1 - Beta2) * slope * slope);
                values[place] -= rate * ((weightDecay * values[place]) + (means[place] / correction1 / (Math.Sqrt(squares[place] / correction2) + Epsilon)));
            }
            gradient.zero_();
        }
    }
}
