using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Small models and data, the same bits for the same seed, in Float64 unless said otherwise.</summary>
internal static class Make
{
    public static Tensor Normal(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, dtype: ScalarType.Float64, generator: generator, device: CPU);
    }

    public static T Filled<T>(T module, int seed = 1, double scale = 0.5)
        where T : nn.Module
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var ((_, parameter), index) in module.named_parameters().Select((pair, index) => (pair, index)))
            parameter.copy_(Normal(seed * 1000 + index, parameter.shape) * scale);
        return module;
    }

    /// <summary>A mixture of four linear experts, 4 → 4.</summary>
    public static MixtureOfExperts Mixture(int seed = 1, GatingOptions? options = null, Generator? generator = null) => Filled(
        new MixtureOfExperts(
            new GatingNetwork(options ?? Gating, generator, dtype: ScalarType.Float64),
            [.. Enumerable.Range(0, (options ?? Gating).ExpertCount).Select(_ => new LinearExpert(4, 4, dtype: ScalarType.Float64))]),
        seed);

    public static GatingOptions Gating { get; } = new() { InputWidth = 4, ExpertCount = 4, TopK = 2 };

    public static Linear Linear(long from, long to, int seed = 1) => Filled(nn.Linear(from, to, dtype: ScalarType.Float64), seed);

    /// <summary>A mixture and a linear read-out, 4 → classes.</summary>
    public static RoutedSequential Classifier(int classes = 3, int seed = 1, GatingOptions? options = null) =>
        new(Mixture(seed, options), Linear(4, classes, seed + 1));

    /// <summary>Points about as many centres as there are classes.</summary>
    public static TrainingData Clusters(int samples = 60, int classes = 3, int seed = 1)
    {
        using var scope = NewDisposeScope();
        var targets = arange(samples, dtype: ScalarType.Int64, device: CPU) % classes;
        var inputs = (Normal(77, classes, 4) * 2).index_select(0, targets) + Normal(seed, samples, 4) * 0.3;
        return new TrainingData(scope.MoveToOuter(inputs), scope.MoveToOuter(targets));
    }

    /// <summary>A smooth function of four numbers with two values.</summary>
    public static TrainingData Curve(int samples = 64, int seed = 1)
    {
        using var scope = NewDisposeScope();
        var x = Normal(seed, samples, 4);
        var y = stack([x[TensorIndex.Ellipsis, 0].abs(), x[TensorIndex.Ellipsis, 1] * 0.5 - x[TensorIndex.Ellipsis, 2]], 1);
        return new TrainingData(scope.MoveToOuter(x), scope.MoveToOuter(y));
    }

    public static Func<IEnumerable<Parameter>, optim.Optimizer> Sgd(double rate = 0.1, double momentum = 0) =>
        parameters => optim.SGD(parameters, rate, momentum);

    public static Func<IEnumerable<Parameter>, optim.Optimizer> AdamW(double rate = 0.01) => parameters => optim.AdamW(parameters, rate);
}
