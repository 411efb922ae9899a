using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gradients held against central differences, in Float64.</summary>
internal static class Slopes
{
    private const double Step = 1e-6;

    /// <summary>Asserts that every parameter's gradient of a scalar function is its slope; and that some gradient is not zero.</summary>
    public static void ShouldBeRight(nn.Module module, Func<Tensor> function)
    {
        using var scope = NewDisposeScope();
        module.zero_grad();
        function().backward();
        var gradients = module.named_parameters()
            .Select(pair => (pair.name, pair.parameter, gradient: pair.parameter.grad is { } g ? Compare.Doubles(g) : new double[pair.parameter.numel()])).ToArray();

        foreach (var (name, parameter, gradient) in gradients)
        {
            for (var i = 0; i < gradient.Length; i++)
                gradient[i].Should().BeApproximately(Slope(parameter, i, function), 1e-6 * Math.Max(1, Math.Abs(gradient[i])), "{0}[{1}] is what the loss changes by", name, i);
        }
        gradients.Should().Contain(entry => entry.gradient.Any(value => Math.Abs(value) > 1e-4), "there must be something to compare");
    }

    private static double Slope(Tensor parameter, long place, Func<Tensor> function)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var number = parameter.view(-1).narrow(0, place, 1);
        number.add_(Step);
        var above = function().item<double>();
        number.sub_(2 * Step);
        var below = function().item<double>();
        number.add_(Step);
        return (above - below) / (2 * Step);
    }
}
