using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Which gate gradient training fits: a linear softmax, a tree of them, or a network that gives logits.</summary>
public sealed class GradientGate
{
    private GradientGate(GateTree? tree, Func<long, long, nn.Module<Tensor, Tensor>>? factory, string? factoryName = null) => (Tree, Factory, FactoryName) = (tree, factory, factoryName);

    /// <summary>The softmax of one linear function for each expert; the fitted gate is a <see cref="SoftmaxGate"/>.</summary>
    public static GradientGate Linear { get; } = new(null, null);

    /// <summary>The shape; null for a flat gate.</summary>
    public GateTree? Tree { get; }

    /// <summary>Makes the network; null for linear gates.</summary>
    public Func<long, long, nn.Module<Tensor, Tensor>>? Factory { get; }

    /// <summary>Under which name <see cref="NetworkFactories"/> knows the factory; null if it has none.</summary>
    public string? FactoryName { get; }

    /// <summary>A linear softmax at each branch of a tree; the fitted gate is a <see cref="TreeGate"/>.</summary>
    /// <param name="tree">The shape; each expert from 0 to K - 1 at one leaf.</param>
    /// <exception cref="ArgumentException">An expert is missing or there twice.</exception>
    public static GradientGate Hierarchy(GateTree tree)
    {
        ArgumentNullException.ThrowIfNull(tree);
        tree.RequireComplete(nameof(tree));
        return new GradientGate(tree, null);
    }

    /// <summary>A network; the fitted gate is a <see cref="ModuleGate"/>.</summary>
    /// <param name="factory">Makes a network from standardised rows [n, Dz] to logits [n, K] of Dz and K, a new one each time.</param>
    /// <param name="factoryName">
    /// Under which name <see cref="NetworkFactories"/> knows the factory, for gates that are to be stored. Networks of well-known layers (see <see cref="ModuleGate"/>) need none.
    /// </param>
    /// <exception cref="ArgumentException">The name is blank.</exception>
    public static GradientGate Network(Func<long, long, nn.Module<Tensor, Tensor>> factory, string? factoryName = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (factoryName is not null)
            ArgumentException.ThrowIfNullOrWhiteSpace(factoryName);
        return new GradientGate(null, factory, factoryName);
    }
}
