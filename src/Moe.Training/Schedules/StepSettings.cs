using TorchSharp.Modules;

namespace Moe.Training;

/// <summary>What schedules set before each step: the learning rate, and temperature, noise and K of the gates.</summary>
internal sealed class StepSettings(RoutedModel model, OptimizerHelper optimizer, TrainerOptions options)
{
    public void Set(long step)
    {
        if (options.LearningRate is { } learningRate)
        {
            foreach (var group in optimizer.ParamGroups)
                group.LearningRate = learningRate.AtLeastZero(step, nameof(TrainerOptions.LearningRate));
        }
        SetGates(step);
    }

    /// <summary>Gates check their own values, so that a bad schedule ends training between two steps.</summary>
    /// <exception cref="ArgumentException">A gate refuses its value.</exception>
    /// <exception cref="InvalidOperationException">With the new K a router looks ahead, though the model is to be autoregressive.</exception>
    public void SetGates(long step)
    {
        var topK = options.TopK is { } choices ? (int?)Math.Round(choices.At(step), MidpointRounding.AwayFromZero) : null;
        var changed = false;
        foreach (var gate in model.Gates)
        {
            if (options.Temperature is { } temperature)
                gate.Temperature = temperature.At(step);
            if (options.NoiseScale is { } noise)
                gate.NoiseScale = noise.At(step);
            if (topK is { } k && k != gate.TopK)
            {
                gate.TopK = k;
                changed = true;
            }
        }
        if (changed && options.Autoregressive && model.NotCausal() is { } reason)
            throw new InvalidOperationException($"Step {step}: {reason}");
    }
}
