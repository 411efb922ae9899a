using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>One balance loss for one forward pass, with its graph. Its tensors belong to the <see cref="ObjectiveValue"/>.</summary>
public sealed class TermValue
{
    internal TermValue(string name, double lambda, Tensor value, IReadOnlyList<Tensor> layers)
    {
        Name = name;
        Lambda = lambda;
        Value = value;
        Layers = layers;
    }

    /// <summary>The name of the loss.</summary>
    public string Name { get; }

    /// <summary>λ, what it weighs in the total.</summary>
    public double Lambda { get; }

    /// <summary>The loss before λ, a scalar: the mean over <see cref="Layers"/>; 0 without mixtures.</summary>
    public Tensor Value { get; }

    /// <summary>The loss of each mixture, in the order in which they ran; one in all for a loss that joins them.</summary>
    public IReadOnlyList<Tensor> Layers { get; }
}
