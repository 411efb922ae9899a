using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The parts of the objective for one forward pass, each a scalar tensor with its graph. Owns them; equality is by reference.</summary>
public sealed class ObjectiveValue : IDisposable
{
    internal ObjectiveValue(Tensor total, Tensor task, Tensor balance, IReadOnlyList<Tensor> layers)
    {
        Total = total;
        Task = task;
        Balance = balance;
        Layers = layers;
    }

    /// <summary>L = L_task + λ · L_balance.</summary>
    public Tensor Total { get; }

    /// <summary>L_task.</summary>
    public Tensor Task { get; }

    /// <summary>L_balance, before λ: 1 at perfect balance, 0 without mixtures.</summary>
    public Tensor Balance { get; }

    /// <summary>The balance of each mixture, in the order in which they ran.</summary>
    public IReadOnlyList<Tensor> Layers { get; }

    internal IEnumerable<Tensor> Tensors => [Total, Task, Balance, .. Layers];

    /// <summary>Releases the tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
