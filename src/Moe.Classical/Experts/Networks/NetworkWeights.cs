using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Makes networks from factories and moves weights between them.</summary>
internal static class NetworkWeights
{
    private static readonly Lock Draws = new();

    /// <summary>A new network of Float64 whose weights depend on the seed alone, in no dispose scope.</summary>
    /// <remarks>torch draws starting weights from one generator for the whole program: it is held, seeded, and put back as it was.</remarks>
    public static nn.Module<Tensor, Tensor> Make(Func<long, long, nn.Module<Tensor, Tensor>> factory, long inputWidth, long outputWidth, long seed)
    {
        nn.Module<Tensor, Tensor> module;
        lock (Draws)
        {
            using var before = random.get_rng_state();
            try
            {
                random.manual_seed(seed);
                module = factory(inputWidth, outputWidth) ?? throw new ArgumentException("The factory made no network.", nameof(factory));
            }
            finally
            {
                random.set_rng_state(before);
            }
        }
        module.to(ScalarType.Float64);
        module.to(CPU);
        foreach (var (_, tensor) in All(module))
            tensor.DetachFromDisposeScope();
        return module;
    }

    /// <summary>Parameters and buffers, by name.</summary>
    public static IEnumerable<(string Name, Tensor Tensor)> All(nn.Module module) =>
        module.named_parameters().Select(item => (item.name, (Tensor)item.parameter)).Concat(module.named_buffers().Select(item => (item.name, item.buffer)));

    /// <summary>True if one's weights fit into the other.</summary>
    public static bool SameShapes(nn.Module module, nn.Module other) =>
        All(module).Select(item => (item.Name, string.Join(',', item.Tensor.shape))).SequenceEqual(All(other).Select(item => (item.Name, string.Join(',', item.Tensor.shape))));

    /// <summary>Sets all parameters and buffers.</summary>
    /// <exception cref="ArgumentException">One is missing or of another shape.</exception>
    public static void Set(nn.Module module, IReadOnlyDictionary<string, Tensor> values)
    {
        using var constant = no_grad();
        foreach (var (name, target) in All(module))
        {
            if (!values.TryGetValue(name, out var value) || !value.shape.AsSpan().SequenceEqual(target.shape))
                throw new ArgumentException($"The network's {name} of shape [{string.Join(", ", target.shape)}] is not there in that shape: the factory makes another network than the weights are of.", nameof(values));
            target.copy_(value);
        }
    }

    /// <summary>All numbers of all parameters and buffers, as copies.</summary>
    public static Dictionary<string, Tensor> Copy(nn.Module module)
    {
        using var constant = no_grad();
        return All(module).ToDictionary(item => item.Name, item => item.Tensor.clone());
    }
}
