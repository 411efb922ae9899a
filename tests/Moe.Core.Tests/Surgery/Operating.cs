using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What tests of operations on layers share.</summary>
internal static class Operating
{
    /// <summary>A gate in which the bias alone decides: who has -100 is never chosen.</summary>
    public static MixtureOfExperts WithUnchosen(GatingOptions options, int[] never, int seed = 1, ScalarType type = ScalarType.Float64, int shared = 0)
    {
        var layer = Make.Layer(options with { Bias = true }, seed, type, shared);
        using var noGrad = no_grad();
        foreach (var expert in never)
            layer.Network.Bias!.select(0, expert).fill_(-100);
        return layer;
    }

    /// <summary>Tokens and a gate of whole numbers, the products of which are exact in whatever order a machine adds: with other rows in the gate's matrix they must not round otherwise where bits are compared.</summary>
    public static Tensor WholeNumbers(MixtureOfExperts layer, int seed, ScalarType type, int tokens)
    {
        using var noGrad = no_grad();
        foreach (var parameter in layer.Gate.parameters())
            parameter.copy_((parameter * 8).round());
        // So many that each expert has more rows than are padded to a common number.
        return (Make.Normal(seed, type, tokens, layer.InputWidth) * 2).round();
    }

    public static Dictionary<string, Tensor> Copy(nn.Module layer) => layer.state_dict().ToDictionary(item => item.Key, item => item.Value.detach().clone());

    public static void ShouldBeUnchanged(nn.Module layer, Dictionary<string, Tensor> before)
    {
        layer.state_dict().Keys.Should().Equal(before.Keys);
        foreach (var (name, value) in layer.state_dict())
            Compare.SameBits(value, before[name], name);
    }

    /// <summary>The weights of one expert, by name, wherever they lie.</summary>
    public static Dictionary<string, Tensor> Weights(MixtureOfExperts layer, int expert) =>
        ExpertState.Of(layer.Experts[expert], expert).ToDictionary(item => item.Key, item => item.Value.Value.detach().clone());

    /// <summary>A loss whose gradient reaches everything that answers.</summary>
    public static void Backward(MixtureOfExperts layer, Tensor x)
    {
        layer.zero_grad();
        using var scope = NewDisposeScope();
        (layer.forward(x) - x.flip(1)).square().mean().backward();
    }
}
