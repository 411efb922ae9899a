using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// What training makes small: L = L_task + λ · L_balance + Σ λᵢ · Lᵢ (Shazeer et al. 2017, section 4; Fedus et al. 2021, section 2.2), with
/// any number of balance losses Lᵢ at once.
/// </summary>
/// <remarks>
/// A balance loss is the mean over the model's mixtures, so that λ means the same whatever the number of layers (or one number for all, if the loss joins
/// them); 0 for a model without any. Padding counts in none. Under gradient accumulation each micro-batch is judged by itself and weighs as many
/// samples as it has; losses over a global batch take their counts f from the micro-batches of the step up to this one, the only ones there are when
/// its backward pass runs (Megatron-LM; Qiu et al. 2025, section 3), while p is that of the micro-batch.
/// </remarks>
public sealed class Objective
{
    private readonly TaskLoss _task;
    private readonly (string Name, BalanceLoss Loss)[] _losses;

    /// <summary>Puts an objective together.</summary>
    /// <param name="task">The task's loss.</param>
    /// <param name="balance">L_balance; E · Σ pᵢ fᵢ, which is 1 at perfect balance, when null.</param>
    /// <param name="terms">Balance losses besides; null for none. What their λ are at a step is told to <see cref="Evaluate"/>.</param>
    /// <exception cref="ArgumentException">A term is null, or has no loss.</exception>
    public Objective(TaskLoss task, BalanceLoss? balance = null, IReadOnlyList<BalanceTerm>? terms = null)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (terms is not null && terms.Any(term => term?.Loss is null))
            throw new ArgumentException("Expected terms without null, each with a loss.", nameof(terms));
        _task = task;
        balance ??= new LoadBalance();
        _losses = [(balance.Name, balance), .. (terms ?? []).Select(term => (term.Name, term.Loss))];
        Names = [.. _losses.Select(loss => loss.Name)];
    }

    /// <summary>The names of the balance losses, that of the balance first.</summary>
    internal IReadOnlyList<string> Names { get; }

    /// <summary>Judges one forward pass.</summary>
    /// <param name="output">What the model gave.</param>
    /// <param name="target">What it should give.</param>
    /// <param name="pass">The decisions of that forward pass. Not disposed.</param>
    /// <param name="lambda">The weight of the balance, 0 or more.</param>
    /// <param name="termLambdas">The weights of the terms, each 0 or more, as many as there are; null to measure them only.</param>
    /// <param name="batch">What the optimizer step has routed so far, this pass included; null when the pass is a step of its own.</param>
    /// <returns>All parts; the caller owns them.</returns>
    /// <exception cref="ArgumentException">There are not as many weights as terms.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A weight is negative, NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">The task's loss is not a scalar of a floating type, or a balance loss gave something else than scalars.</exception>
    public ObjectiveValue Evaluate(
        Tensor output, Tensor target, RoutingPass pass, double lambda, IReadOnlyList<double>? termLambdas = null, GlobalBatch? batch = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(pass);
        RequireWeight(lambda, "λ", nameof(lambda));
        if (termLambdas is not null && termLambdas.Count != _losses.Length - 1)
            throw new ArgumentException($"Expected {_losses.Length - 1} weights, one a term, got {termLambdas.Count}.", nameof(termLambdas));

        using var scope = NewDisposeScope();
        var taskLoss = _task(output, target) ?? throw new InvalidOperationException("The task's loss must be a scalar, but is null.");
        if (taskLoss.numel() != 1 || !taskLoss.is_floating_point())
            throw new InvalidOperationException($"The task's loss must be a floating-point scalar, but has shape [{string.Join(", ", taskLoss.shape)}] and type {taskLoss.dtype}.");
        taskLoss = taskLoss.reshape([]);

        // Gates compute in Float32 or wider whatever the model's type; a narrower task is added to them, not they rounded to it.
        var type = taskLoss.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var layers = pass.Layers;
        var (total, losses) = (taskLoss, new TermValue[_losses.Length]);
        for (var index = 0; index < losses.Length; index++)
        {
            var weight = index == 0 ? lambda : termLambdas?[index - 1] ?? 0;
            RequireWeight(weight, $"λ of {_losses[index].Name}", nameof(termLambdas));
            losses[index] = Judge(index, weight, layers, batch, type, taskLoss.device);
            if (weight != 0 && layers.Count > 0)
                total = total.to(type) + losses[index].Value * weight;
        }

        var value = new ObjectiveValue(ReferenceEquals(total, taskLoss) ? taskLoss.alias() : total, taskLoss, losses);
        scope.MoveToOuter(value.Tensors);
        return value;
    }

    private TermValue Judge(int index, double lambda, IReadOnlyList<LayerRouting> layers, GlobalBatch? batch, ScalarType type, Device device)
    {
        var (name, loss) = _losses[index];
        var computed = loss.Compute(layers, batch);
        if (computed is null || computed.Any(value => value is null || value.numel() != 1))
            throw new InvalidOperationException($"The balance loss {name} must give one scalar a layer, or one in all, and none null.");
        Tensor[] values = [.. computed.Select(value => value.reshape([]).to(type, device))];
        var mean = values.Length switch
        {
            0 => zeros([], dtype: type, device: device),
            1 => values[0].alias(),
            _ => stack(values).mean(),
        };
        return new TermValue(name, lambda, mean, values);
    }

    private static void RequireWeight(double lambda, string name, string parameterName)
    {
        if (!(lambda >= 0) || !double.IsFinite(lambda))
            throw new ArgumentOutOfRangeException(parameterName, lambda, $"{name} ({lambda}) must be 0 or more, and finite.");
    }
}
