using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes feed-forward experts from matrices that are there, such as those of a dense model's block.</summary>
public static class DenseBlock
{
    /// <summary>act(x · W_upᵀ + b_up) · W_downᵀ + b_down.</summary>
    /// <param name="up">[F, D], floating; copied, as are the others.</param>
    /// <param name="down">[Dout, F], of the same type and on the same device.</param>
    /// <param name="upBias">[F]; null for none. Both biases or none.</param>
    /// <param name="downBias">[Dout].</param>
    /// <param name="activation">The function in between; <see cref="Activation.Gelu"/> when null.</param>
    /// <returns>The block; the caller owns it.</returns>
    /// <exception cref="ArgumentException">Shapes, types or devices do not fit.</exception>
    public static FeedForwardExpert FeedForward(Tensor up, Tensor down, Tensor? upBias = null, Tensor? downBias = null, Activation? activation = null)
    {
        Check(up, down, upBias is null, downBias is null);
        var options = new FeedForwardOptions { InputWidth = up.size(1), HiddenWidth = up.size(0), OutputWidth = down.size(0), Bias = upBias is not null, Activation = activation ?? Activation.Gelu };
        using var unused = new Generator(0);
        return Filled(new FeedForwardExpert(options, unused, up.device, up.dtype), up, down, upBias, downBias);
    }

    /// <summary>(act(x · W_gateᵀ) ⊙ (x · W_upᵀ)) · W_downᵀ.</summary>
    /// <param name="gateUp">W_gate above W_up, [2F, D], floating; copied, as are the others.</param>
    /// <param name="down">[Dout, F], of the same type and on the same device.</param>
    /// <param name="gateUpBias">[2F]; null for none. Both biases or none.</param>
    /// <param name="downBias">[Dout].</param>
    /// <param name="activation">The function on the gate; <see cref="Activation.Silu"/> when null.</param>
    /// <returns>The block; the caller owns it.</returns>
    /// <exception cref="ArgumentException">Shapes, types or devices do not fit.</exception>
    public static GatedFeedForwardExpert GatedFeedForward(Tensor gateUp, Tensor down, Tensor? gateUpBias = null, Tensor? downBias = null, Activation? activation = null)
    {
        Check(gateUp, down, gateUpBias is null, downBias is null);
        var options = new GatedFeedForwardOptions { InputWidth = gateUp.size(1), HiddenWidth = down.size(1), OutputWidth = down.size(0), Bias = gateUpBias is not null, Activation = activation ?? Activation.Silu };
        using var unused = new Generator(0);
        return Filled(new GatedFeedForwardExpert(options, unused, gateUp.device, gateUp.dtype), gateUp, down, gateUpBias, downBias);
    }

    private static void Check(Tensor first, Tensor down, bool noFirstBias, bool noDownBias)
    {
        TensorGuard.Alive(first, nameof(first));
        TensorGuard.Alive(down, nameof(down));
        foreach (var matrix in new[] { first, down })
        {
            if (matrix.dim() != 2 || matrix.numel() == 0 || !TensorGuard.IsFloating(matrix.dtype))
                throw new ArgumentException($"Expected matrices of a floating type, got {TensorGuard.Shape(matrix)} of {matrix.dtype}.", nameof(first));
        }
        if (noFirstBias != noDownBias)
            throw new ArgumentException("Expected both biases or none, got one.", nameof(noDownBias));
    }

    private static T Filled<T>(T block, params ReadOnlySpan<Tensor?> values)
        where T : StackableExpert
    {
        using var noGrad = no_grad();
        var weights = block.Recipe.Weights;
        for (var index = 0; index < weights.Count; index++)
        {
            var (weight, value) = (weights[index], values[index]);
            try
            {
                TensorGuard.Alive(value, weight.Name);
                TensorGuard.SameAs(value, block.RecipeWeights[0], weight.Name, "the first matrix");
                if (!value.shape.AsSpan().SequenceEqual(weight.Shape))
                    throw new ArgumentException($"Expected {weight.Name} of shape [{string.Join(", ", weight.Shape)}], got {TensorGuard.Shape(value)}.", weight.Name);
            }
            catch
            {
                block.Dispose();
                throw;
            }
            block.get_parameter(weight.Name)!.copy_(value);
        }
        return block;
    }
}
