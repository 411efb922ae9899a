using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// One optimizer step: forward and backward for each micro-batch, then check, clip, step. Either all of it happens or, on anything
/// that is NaN or infinite, nothing: parameters, optimizer and buffers stay as they were.
/// </summary>
internal sealed class TrainingStep(RoutedModel model, optim.Optimizer optimizer, Objective objective, TrainerOptions options)
{
    private readonly (string Name, Parameter Parameter)[] _parameters =
        [.. model.Module.named_parameters().Where(item => item.parameter.requires_grad)];

    private readonly Tensor[] _buffers = [.. model.Module.buffers()];
    private readonly Device _device = model.Device;

    // A bias that nobody moves stays zero and balances nothing, without a word.
    private readonly SelectionBalancer? _balancer = model.HasSelectionBias ? options.SelectionBalancer ?? new BiasBalancing() : null;

    /// <summary>Takes the step. On an exception the buffers are as before and the gradients cleared.</summary>
    /// <param name="step">Its number, for messages.</param>
    /// <param name="lambdas">λ of the balance, then of the terms.</param>
    /// <param name="data">The samples.</param>
    /// <param name="batches">The micro-batches, as indices into the samples.</param>
    public StepOutcome Take(long step, double[] lambdas, TrainingData data, IEnumerable<Tensor> batches)
    {
        using var scope = NewDisposeScope();
        var sums = new StepSums(model, objective, lambdas, options.Processes);
        var biases = new SelectionBiases(model, _balancer, options.Processes);
        var before = Array.ConvertAll(_buffers, buffer => buffer.detach().clone());
        var taken = false;
        try
        {
            ClearGradients();
            Accumulate(data, [.. batches], sums, biases);
            var outcome = sums.Read(GradientNorm(ScalarType.Float32));

            // Squares of large Float32 gradients overflow where the gradients themselves do not.
            if (!double.IsFinite(outcome.GradientNorm))
                outcome = outcome with { GradientNorm = GradientNorm(ScalarType.Float64).item<double>() };
            if (AgreeOn(Culprit(outcome)) is { } place)
                return Reject(step, place, outcome);

            Clip(outcome.GradientNorm);
            biases.Update();
            taken = true;
            optimizer.step();
            return outcome;
        }
        catch (NonFiniteRoutingException exception)
        {
            var place = $"a logit of {model.NameOf(exception.Gate)}";

            // The other processes are still adding up this step's counts, and would take what this one adds next for them.
            if (options.Processes is { ProcessCount: > 1 })
                throw new NonFiniteTrainingException(step, place);
            return Reject(step, place, sums.Nothing());
        }
        finally
        {
            if (!taken)
                RestoreBuffers(before);
            ClearGradients();
        }
    }

    private void Accumulate(TrainingData data, Tensor[] batches, StepSums sums, SelectionBiases biases)
    {
        var samples = batches.Sum(batch => batch.size(0));
        foreach (var batch in batches)
        {
            using var batchScope = NewDisposeScope();
            var (inputs, targets, mask, tokenIds) = data.Take(batch, _device);
            using var pass = new RoutingPass(mask) { TokenIds = tokenIds };
            var output = model.Forward(inputs, pass);
            var layers = pass.Layers;
            sums.Count(layers);
            biases.Observe(layers);
            var value = objective.Evaluate(output, targets, pass, sums.Lambdas[0], sums.Lambdas[1..], sums.Routed);

            if (!value.Total.requires_grad)
                throw new InvalidOperationException("The loss does not depend on any parameter that requires gradients, so that there is nothing to learn.");

            // Each micro-batch weighs as many samples as it has: together they are the mean over all.
            var share = (double)batch.size(0) / samples;
            (share == 1 ? value.Total : value.Total * share).backward();
            sums.Add(value, layers, share, batch.size(0));
        }
    }

    private StepOutcome Reject(long step, string place, StepOutcome outcome) => options.OnNonFinite == NonFiniteAction.Stop
        ? throw new NonFiniteTrainingException(step, place)
        : outcome with { SkippedBecause = $"{place} is NaN or infinite" };

    /// <summary>Undoes what a forward pass leaves behind, running statistics for one.</summary>
    private void RestoreBuffers(Tensor[] before)
    {
        using var noGrad = no_grad();
        foreach (var (buffer, value) in _buffers.Zip(before))
            buffer.copy_(value);
    }

    /// <summary>Null, not zero: an expert that got no rows must not drift on by the optimizer's momentum.</summary>
    private void ClearGradients()
    {
        foreach (var (_, parameter) in _parameters)
            parameter.grad = null;
    }

    /// <summary>The Euclidean norm of all gradients together, [1], Float64: of one norm a parameter, each taken in at least the given type.</summary>
    private Tensor GradientNorm(ScalarType type)
    {
        var norms = new List<Tensor>(_parameters.Length);
        foreach (var (_, parameter) in _parameters)
        {
            if (parameter.grad is not { } gradient)
                continue;
            var norm = (gradient.dtype == ScalarType.Float64 ? gradient : gradient.to(type)).norm();
            norms.Add(norm.to(ScalarType.Float64, _device));
        }
        return norms.Count == 0 ? zeros(1, dtype: ScalarType.Float64, device: _device) : stack(norms).norm().reshape(1);
    }

    private void Clip(double norm)
    {
        if (options.MaxGradientNorm is not { } limit || norm <= limit)
            return;
        using var noGrad = no_grad();
        foreach (var (_, parameter) in _parameters)
            parameter.grad?.mul_(limit / norm);
    }

    /// <summary>A step is taken by all processes or by none: biases and factors must stay the same in all of them.</summary>
    private string? AgreeOn(string? culprit)
    {
        if (options.Processes is not { } processes)
            return culprit;
        Span<double> culprits = [culprit is null ? 0 : 1];
        processes.Sum(culprits);
        return culprit ?? (culprits[0] > 0 ? "something in another process" : null);
    }

    /// <summary>Names what is not finite, from the task's loss outwards to the gradients; null when all is well.</summary>
    private string? Culprit(StepOutcome outcome)
    {
        if (outcome.NonFiniteLoss is not null || double.IsFinite(outcome.GradientNorm))
            return outcome.NonFiniteLoss;
        foreach (var (name, parameter) in _parameters)
        {
            if (parameter.grad is { } gradient && !gradient.isfinite().all().item<bool>())
                return $"the gradient of {name}";
        }
        return "the norm of the gradients";
    }
}
