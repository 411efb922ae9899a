using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Small things to test with, the same bits for the same seed.</summary>
internal static class Make
{
    /// <summary>A gate with every option on.</summary>
    public static GatingOptions Everything { get; } = Options() with
    {
        Bias = true,
        Noise = new LearnedNoise(),
        StraightThrough = true,
        Temperature = 0.8,
        Capacity = new() { Factor = 0.8 },
    };

    public static Tensor Normal(int seed, params long[] shape) => Normal(seed, ScalarType.Float64, shape);

    public static Tensor Normal(int seed, ScalarType type, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, dtype: ScalarType.Float64, generator: generator, device: CPU).to(type);
    }

    public static Tensor Mask(params int[] real) => tensor(real, device: CPU).to(ScalarType.Bool);

    /// <summary>Fills every parameter, biases and noise weights too, so that nothing is zero by luck.</summary>
    public static T Filled<T>(T module, int seed, double scale = 0.5)
        where T : nn.Module
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var ((_, parameter), index) in module.named_parameters().Select((pair, index) => (pair, index)))
            parameter.copy_(Normal(seed * 1000 + index, parameter.shape) * scale);
        return module;
    }

    public static GatingNetwork Gate(GatingOptions options, int seed = 1, ScalarType type = ScalarType.Float64) =>
        Filled(new GatingNetwork(options, dtype: type), seed);

    public static FeedForwardOptions FeedForward(long width = 4, long hidden = 6) => new() { InputWidth = width, HiddenWidth = hidden };

    /// <summary>A layer of equal feed-forward experts.</summary>
    public static MixtureOfExperts Layer(
        GatingOptions options, int seed = 1, ScalarType type = ScalarType.Float64, int shared = 0)
    {
        var expert = FeedForward(options.InputWidth);
        return Filled(
            new MixtureOfExperts(
                new GatingNetwork(options, dtype: type),
                StackedExperts.FeedForward(options.ExpertCount, expert, dtype: type),
                shared > 0 ? StackedExperts.FeedForward(shared, expert, dtype: type) : null),
            seed);
    }

    public static GatingOptions Options(int experts = 4, int topK = 2, long width = 4) =>
        new() { InputWidth = width, ExpertCount = experts, TopK = topK };

    /// <summary>Runs a function, and gives what L = Σ r · f(x) says about x and every parameter, by name. Zero where no gradient came.</summary>
    public static Dictionary<string, Tensor> Gradients(nn.Module module, Tensor input, Func<Tensor, Tensor> function, int seed = 99)
    {
        module.zero_grad();
        using var x = input.detach().clone().requires_grad_();
        using var output = function(x);
        using var direction = Normal(seed, output.dtype, output.shape);
        using var loss = (output * direction).sum();
        loss.backward();
        var result = new Dictionary<string, Tensor> { ["input"] = Of(x) };
        foreach (var (name, parameter) in module.named_parameters())
            result[name] = Of(parameter);
        return result;
    }

    public static void SameGradients(Dictionary<string, Tensor> actual, Dictionary<string, Tensor> expected, double tolerance)
    {
        actual.Keys.Should().Equal(expected.Keys);
        foreach (var (name, gradient) in actual)
            Compare.Close(gradient, expected[name], tolerance, $"the gradient of {name}");
    }

    private static Tensor Of(Tensor leaf)
    {
        using var gradient = leaf.grad;
        return gradient is null ? zeros_like(leaf).detach() : gradient.detach().clone();
    }
}
