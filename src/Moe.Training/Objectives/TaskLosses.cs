using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The usual task losses. Each is a <see cref="TaskLoss"/>; pass the method's name.</summary>
public static class TaskLosses
{
    /// <summary>Cross-entropy of class logits, in nats: the mean of -log softmax(output)[target]. Targets of -100 do not count.</summary>
    /// <param name="output">Logits, [*, C].</param>
    /// <param name="target">Classes 0 … C-1, [*], Int64; or probabilities, [*, C], of the logits' type.</param>
    /// <returns>A scalar.</returns>
    /// <exception cref="ArgumentException">The shapes or the target's type do not fit.</exception>
    public static Tensor CrossEntropy(Tensor output, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(target);
        if (output.dim() < 1 || !output.is_floating_point())
            throw new ArgumentException($"Expected output of shape [*, classes] and a floating type, got [{string.Join(", ", output.shape)}] of {output.dtype}.", nameof(output));
        var classes = output.size(-1);
        var leading = output.shape[..^1];
        if (target.dtype == ScalarType.Int64 && target.shape.AsSpan().SequenceEqual(leading))
            return nn.functional.cross_entropy(output.reshape(-1, classes), target.reshape(-1));
        if (target.is_floating_point() && target.shape.AsSpan().SequenceEqual(output.shape))
            return nn.functional.cross_entropy(output.reshape(-1, classes), target.reshape(-1, classes));
        throw new ArgumentException(
            $"Expected target of shape [{string.Join(", ", leading)}] and type Int64, or [{string.Join(", ", output.shape)}] and a floating type, got [{string.Join(", ", target.shape)}] of {target.dtype}.",
            nameof(target));
    }

    /// <summary>The mean of the squared differences over all entries.</summary>
    /// <param name="output">Values, any shape.</param>
    /// <param name="target">Values of the same shape and type.</param>
    /// <returns>A scalar.</returns>
    /// <exception cref="ArgumentException">Shapes or types differ: broadcasting would hide a mistake.</exception>
    public static Tensor MeanSquaredError(Tensor output, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(target);
        if (!output.shape.AsSpan().SequenceEqual(target.shape) || output.dtype != target.dtype)
        {
            throw new ArgumentException(
                $"Expected target of shape [{string.Join(", ", output.shape)}] and type {output.dtype}, as the output, got [{string.Join(", ", target.shape)}] of {target.dtype}.", nameof(target));
        }
        return nn.functional.mse_loss(output, target);
    }
}
