using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Samples to learn from or to be judged on: inputs, targets and, where they are needed, a mask of padding and token ids. Does not own its tensors.</summary>
public sealed class TrainingData
{
    /// <summary>Pairs inputs with targets.</summary>
    /// <param name="inputs">[samples, *], any device.</param>
    /// <param name="targets">[samples, *], same device.</param>
    /// <param name="mask">True for real tokens: Bool, [samples, *] as the mixtures' inputs without their last dimension; null when all are.</param>
    /// <param name="tokenIds">
    /// What the tokens are in their vocabulary: Int64, shaped as a mask; needed by gates with a <see cref="TableSelection"/>, null without. May be the inputs themselves.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The numbers of samples or the devices differ, the mask is not of type Bool, the token ids are not of type Int64, or there is no sample.
    /// </exception>
    public TrainingData(Tensor inputs, Tensor targets, Tensor? mask = null, Tensor? tokenIds = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        if (inputs.dim() < 1 || inputs.size(0) < 1)
            throw new ArgumentException($"Expected inputs with at least 1 sample, got shape [{string.Join(", ", inputs.shape)}].", nameof(inputs));
        RequireSamples(targets, inputs, nameof(targets));
        if (mask is not null)
        {
            RequireSamples(mask, inputs, nameof(mask));
            if (mask.dtype != ScalarType.Bool)
                throw new ArgumentException($"Expected mask of type Bool (true = a real token), got {mask.dtype}.", nameof(mask));
        }
        if (tokenIds is not null)
        {
            RequireSamples(tokenIds, inputs, nameof(tokenIds));
            if (tokenIds.dtype != ScalarType.Int64)
                throw new ArgumentException($"Expected tokenIds of type Int64, got {tokenIds.dtype}.", nameof(tokenIds));
        }
        Inputs = inputs;
        Targets = targets;
        Mask = mask;
        TokenIds = tokenIds;
    }

    /// <summary>[samples, *].</summary>
    public Tensor Inputs { get; }

    /// <summary>[samples, *].</summary>
    public Tensor Targets { get; }

    /// <summary>Which tokens are real; null when all are.</summary>
    public Tensor? Mask { get; }

    /// <summary>What the tokens are in their vocabulary; null where no gate asks.</summary>
    public Tensor? TokenIds { get; }

    /// <summary>The number of samples.</summary>
    public long Count => Inputs.size(0);

    /// <summary>Copies some samples, in the order of <paramref name="indices"/> (Int64, on the CPU), to a device.</summary>
    internal (Tensor Inputs, Tensor Targets, Tensor? Mask, Tensor? TokenIds) Take(Tensor indices, Device device)
    {
        var here = indices.to(Inputs.device);
        return (
            Inputs.index_select(0, here).to(device),
            Targets.index_select(0, here).to(device),
            Mask?.index_select(0, here).to(device),
            TokenIds?.index_select(0, here).to(device));
    }

    private static void RequireSamples(Tensor tensor, Tensor inputs, string name)
    {
        var count = inputs.size(0);
        if (tensor.dim() < 1 || tensor.size(0) != count)
            throw new ArgumentException($"Expected {name} with {count} samples, as the inputs have, got shape [{string.Join(", ", tensor.shape)}].", name);
        if (tensor.device_type != inputs.device_type || tensor.device_index != inputs.device_index)
            throw new ArgumentException($"Expected {name} on device {inputs.device}, where the inputs are, got {tensor.device}.", name);
    }
}
