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

    /// <summary>Takes the step. On an exception the gradients are cleared.</summary>
    public StepOutcome Take(long step, TrainingData data, IEnumerable<Tensor> batches)
    {
        using var scope = NewDisposeScope();
        var lambda = options.Lambda.At(step);
        var buffers = Buffers();
        try
        {
            // Null, not zero: an expert that got no rows must not drift on by the optimizer's momentum.
            model.Module.zero_grad();
            var sums = new StepSums(model);
            Accumulate(data, [.. batches], lambda, sums);
            var outcome = sums.Read(GradientNorm(), lambda);
            if (Culprit(outcome) is { } place)
                return Reject(step, place, buffers, outcome);

            Clip(outcome.GradientNorm);
            optimizer.step();
            return outcome;
        }
        catch (NonFiniteRoutingException exception)
        {
            var place = $"a logit of {model.NameOf(exception.Gate)}";
            return Reject(step, place, buffers, StepOutcome.None(lambda));
        }
        catch
        {
            Restore(buffers);
            throw;
        }
        finally
        {
            model.Module.zero_grad();
        }
    }

    private void Accumulate(TrainingData data, Tensor[] batches, double lambda, StepSums sums)
    {
        var samples = batches.Sum(batch => batch.size(0));
        foreach (var batch in batches)
        {
            using var batchScope = NewDisposeScope();
            var (inputs, targets, mask) = data.Take(batch, model.Device);
            using var pass = new RoutingPass(mask);
            var output = model.Forward(inputs, pass);
            var value = objective.Evaluate(output, targets, pass, lambda);

            // Each micro-batch weighs as many samples as it has: together they are the mean over all.
            var share = (double)batch.size(0) / samples;
            (share == 1 ? value.Total : value.Total * share).backward();
            sums.Add(value, pass, share, batch.size(0));
        }
    }

    /// <summary>Takes the step back, and says what was wrong.</summary>
    private StepOutcome Reject(long step, string place, List<(Tensor Buffer, Tensor Before)> buffers, StepOutcome outcome)
    {
        Restore(buffers);
        if (options.OnNonFinite == NonFiniteAction.Stop)
            throw new NonFiniteTrainingException(step, place);
        return outcome with { SkippedBecause = $"{place} is NaN or infinite" };
    }

    /// <summary>Undoes what a forward pass may have left behind, such as running statistics.</summary>
    private static void Restore(List<(Tensor Buffer, Tensor Before)> buffers)
    {
        using var noGrad = no_grad();
        foreach (var (buffer, before) in buffers)
            buffer.copy_(before);
    }

    private List<(Tensor Buffer, Tensor Before)> Buffers() =>
        [.. model.Module.buffers().Select(buffer => (buffer, buffer.detach().clone()))];

    /// <summary>The Euclidean norm of all gradients together, a scalar in Float64 that stays on its device.</summary>
    private Tensor GradientNorm()
    {
        // Asked once: the model walks through its modules to find it.
        var device = model.Device;
        var norms = new List<Tensor>();
        foreach (var (_, parameter) in _parameters)
        {
            if (parameter.grad is { } gradient)
                norms.Add(gradient.to(ScalarType.Float64).norm().to(device));
        }
        return norms.Count == 0 ? zeros(1, dtype: ScalarType.Float64, device: device) : stack(norms).norm();
    }

    private void Clip(double norm)
    {
        if (options.MaxGradientNorm is not { } limit || norm <= limit)
            return;
        using var noGrad = no_grad();
        foreach (var (_, parameter) in _parameters)
            parameter.grad?.mul_(limit / norm);
    }

    /// <summary>Names what is not finite, from the task's loss outwards to the gradients; null when all is well.</summary>
    private string? Culprit(StepOutcome outcome)
    {
        if (!double.IsFinite(outcome.TaskLoss))
            return "the task's loss";
        foreach (var (layer, balance) in outcome.Layers)
        {
            if (!double.IsFinite(balance))
                return $"the balance of {layer}";
        }
        if (double.IsFinite(outcome.GradientNorm))
            return null;
        foreach (var (name, parameter) in _parameters)
        {
            if (parameter.grad is { } gradient && !gradient.isfinite().all().item<bool>())
                return $"the gradient of {name}";
        }
        return "the norm of the gradients";
    }
}
