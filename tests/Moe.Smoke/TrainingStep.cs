using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Smoke;

/// <summary>All that one training step of a layer computes, on the layer's device.</summary>
internal sealed class TrainingStep
{
    private readonly Dictionary<string, Tensor> _values = [];

    /// <summary>Forward, backward and one step of SGD. Nothing but what the layer itself reads comes to the host.</summary>
    /// <param name="layer">Is trained by one step.</param>
    /// <param name="input">[B, S, D], of the experts' type.</param>
    /// <param name="target">[B, S, D], Float32.</param>
    /// <param name="mask">True for real tokens, [B, S]; null when all are.</param>
    public TrainingStep(MixtureOfExperts layer, Tensor input, Tensor target, Tensor? mask)
    {
        using var optimizer = optim.SGD(layer.parameters(), learningRate: 0.1);
        var leaf = input.detach().requires_grad_();
        var (output, routing) = layer.ForwardWithRouting(leaf, mask);
        var loss = (output.to(ScalarType.Float32) - target).square().mean();
        // Soft MoE sends every token to every expert: there is nothing to balance.
        if (routing.Slots is null)
            loss += 0.01 * LoadBalance.Loss(routing);
        loss.backward();
        optimizer.step();

        Output = output.detach();
        _values.Add("output", Output);
        _values.Add("loss", loss.detach());
        _values.Add("choices", routing.Indices);
        _values.Add("weights", routing.Weights.detach());
        _values.Add("gradient of the input", leaf.grad!);
        foreach (var (name, parameter) in layer.named_parameters())
        {
            // An expert that got no rows has no gradient.
            _values.Add($"gradient of {name}", parameter.grad ?? zeros_like(parameter));
            _values.Add($"{name} after the step", parameter.detach());
        }
    }

    /// <summary>What the layer answered.</summary>
    public Tensor Output { get; }

    /// <summary>The names of what is NaN or infinite somewhere.</summary>
    public IReadOnlyList<string> NotFinite() => [.. _values.Where(value => !value.Value.isfinite().all().item<bool>()).Select(value => value.Key)];

    /// <summary>The names of what differs from another step by one bit or more.</summary>
    public IReadOnlyList<string> Differing(TrainingStep other) => [.. _values.Where(value => !value.Value.Equals(other._values[value.Key])).Select(value => value.Key)];

    /// <summary>The largest of the differences, each as a share of the largest value in the tensor of the reference, and where it is.</summary>
    public (double Share, string Name) LargestDifference(TrainingStep reference) => _values.Select(value => (Share(value.Value, reference._values[value.Key]), value.Key)).Max();

    private static double Share(Tensor value, Tensor reference)
    {
        var (left, right) = (value.cpu().to(ScalarType.Float64), reference.cpu().to(ScalarType.Float64));
        var difference = (left - right).abs().max().item<double>();
        if (double.IsNaN(difference))
            return double.PositiveInfinity;
        return difference == 0 ? 0 : difference / right.abs().max().item<double>();
    }
}
