using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The parts of the objective for one forward pass, each a scalar tensor with its graph. Owns them; equality is by reference.</summary>
public sealed class ObjectiveValue : IDisposable
{
    internal ObjectiveValue(Tensor total, Tensor task, TermValue[] losses)
    {
        Total = total;
        Task = task;
        Losses = losses;
        Terms = losses[1..];
    }

    /// <summary>L = L_task + λ · L_balance + Σ λᵢ · Lᵢ.</summary>
    public Tensor Total { get; }

    /// <summary>L_task.</summary>
    public Tensor Task { get; }

    /// <summary>L_balance, before λ: in the default convention 1 at perfect balance; 0 without mixtures.</summary>
    public Tensor Balance => Losses[0].Value;

    /// <summary>The balance of each mixture, in the order in which they ran; one in all if it joins them.</summary>
    public IReadOnlyList<Tensor> Layers => Losses[0].Layers;

    /// <summary>The other balance losses, in the order of the objective.</summary>
    public IReadOnlyList<TermValue> Terms { get; }

    /// <summary>The balance, then the terms.</summary>
    internal TermValue[] Losses { get; }

    internal IEnumerable<Tensor> Tensors => [Total, Task, .. Losses.SelectMany(loss => loss.Layers.Prepend(loss.Value))];

    /// <summary>Releases the tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
