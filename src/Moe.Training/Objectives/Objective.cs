using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// What training makes small: L = L_task + λ · L_balance (Shazeer et al. 2017, section 4; Fedus et al. 2021, section 2.2).
/// </summary>
/// <remarks>
/// L_balance is the mean over the model's mixtures of <see cref="LoadBalance.Loss"/>, so that it is 1 at perfect balance whatever the number
/// of layers; 0 for a model without any. Padding counts in no layer's balance. Under gradient accumulation each micro-batch is judged on
/// its own and weighs as many samples as it has.
/// </remarks>
/// <param name="task">The task's loss.</param>
public sealed class Objective(TaskLoss task)
{
    private readonly TaskLoss _task = task ?? throw new ArgumentNullException(nameof(task));

    /// <summary>Judges one forward pass.</summary>
    /// <param name="output">What the model gave.</param>
    /// <param name="target">What it should give.</param>
    /// <param name="pass">The decisions of that forward pass. Not disposed.</param>
    /// <param name="lambda">The weight of the balance, 0 or more.</param>
    /// <returns>All parts; the caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="lambda"/> is negative, NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">The task's loss is not a scalar of a floating type.</exception>
    public ObjectiveValue Evaluate(Tensor output, Tensor target, RoutingPass pass, double lambda)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(pass);
        if (!(lambda >= 0) || !double.IsFinite(lambda))
            throw new ArgumentOutOfRangeException(nameof(lambda), lambda, $"λ ({lambda}) must be 0 or more, and finite.");

        using var scope = NewDisposeScope();
        var taskLoss = _task(output, target) ?? throw new InvalidOperationException("The task's loss must be a scalar, but is null.");
        if (taskLoss.numel() != 1 || !taskLoss.is_floating_point())
            throw new InvalidOperationException($"The task's loss must be a floating-point scalar, but has shape [{string.Join(", ", taskLoss.shape)}] and type {taskLoss.dtype}.");
        taskLoss = taskLoss.reshape([]);

        // Gates compute in Float32 or wider whatever the model's type; a narrower task is added to them, not they rounded to it.
        var type = taskLoss.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor[] layers = [.. pass.Layers.Select(layer => LoadBalance.Loss(layer.Decision).to(type, taskLoss.device))];
        var balance = layers.Length == 0 ? zeros([], dtype: type, device: taskLoss.device) : stack(layers).mean();
        var total = lambda == 0 || layers.Length == 0 ? taskLoss.alias() : taskLoss.to(type) + balance * lambda;

        var value = new ObjectiveValue(total, taskLoss, balance, layers);
        scope.MoveToOuter(value.Tensors);
        return value;
    }
}
