using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Networks by name, for those that are read from files: a file holds weights, not code. Add yours once, when the program starts.</summary>
public static class NetworkFactories
{
    private static readonly ConcurrentDictionary<string, Func<long, long, nn.Module<Tensor, Tensor>>> Known = new();

    /// <summary>Makes a factory known.</summary>
    /// <param name="name">As <see cref="NetworkOptions.FactoryName"/> gives it.</param>
    /// <param name="factory">Makes a network of an input and an output width.</param>
    /// <exception cref="ArgumentException">Another factory has that name.</exception>
    public static void Register(string name, Func<long, long, nn.Module<Tensor, Tensor>> factory)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(factory);
        if (!Known.TryAdd(name, factory) && Known[name].Method != factory.Method)
            throw new ArgumentException($"There is already a factory of networks called \"{name}\".", nameof(name));
    }

    internal static Func<long, long, nn.Module<Tensor, Tensor>> Of(string name) => Known.TryGetValue(name, out var factory)
        ? factory
        : throw new ArgumentException($"No factory of networks is called \"{name}\" here; NetworkFactories.Register makes it known.", nameof(name));
}
