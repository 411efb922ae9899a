using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Networks that are a row of well-known layers, as states: the layers' kinds and numbers say all that there is, so that no code of the user's has to make them again.</summary>
/// <remarks>Rows within rows are told as one row, which answers the same.</remarks>
internal static class NetworkLayers
{
    private const string Kind = "network-layers";

    /// <summary>The kinds that are known, in words.</summary>
    public static string Known => "Linear, LinearExpert, LayerNorm, Dropout, Identity, ReLU, LeakyReLU, ELU, GELU, SiLU, Sigmoid, Tanh and Softplus, in Sequentials";

    /// <summary>The layers; null if one is of another kind.</summary>
    public static ExpertState? ToState(nn.Module module)
    {
        var layers = LayersOf(module).ToArray();
        var state = new ExpertState(Kind).Set("layers", layers.Length);
        for (var place = 0; place < layers.Length; place++)
        {
            if (Describe(layers[place]) is not { } layer)
            {
                state.Dispose();
                return null;
            }
            foreach (var (name, tensor) in NetworkWeights.All(layers[place]))
                layer.Add(name, tensor);
            state.Add($"layer{place}", layer);
        }
        return state;
    }

    /// <summary>The network, of Float64 on the CPU, in no dispose scope.</summary>
    /// <exception cref="ArgumentException">The state is not complete.</exception>
    public static Sequential FromState(ExpertState state)
    {
        var layers = Enumerable.Range(0, state.Get<int>("layers")).Select(place => state.Child($"layer{place}")).ToArray();
        var network = (Sequential)NetworkWeights.Make((_, _) => nn.Sequential(layers.Select(Make)), 0, 0, 0);
        for (var place = 0; place < layers.Length; place++)
            NetworkWeights.Set((nn.Module)network[place], layers[place].Tensors);
        return network;
    }

    private static IEnumerable<nn.Module> LayersOf(nn.Module module) => module.GetType() == typeof(Sequential) && module is Sequential row
        ? Enumerable.Range(0, row.Count).SelectMany(place => LayersOf((nn.Module)row[place]))
        : [module];

    private static ExpertState? Describe(nn.Module layer) => layer switch
    {
        Linear linear => new ExpertState("Linear").Set("hasBias", linear.bias is not null),
        LinearExpert linear => new ExpertState("LinearExpert").Set("hasBias", linear.parameters().Count() > 1),
        LayerNorm norm => new ExpertState("LayerNorm").Set("shape", norm.normalized_shape).Set("epsilon", norm.eps).Set("affine", norm.elementwise_affine).Set("hasBias", norm.bias is not null),
        Dropout dropout => new ExpertState("Dropout").Set("p", dropout.p),
        Identity => new ExpertState("Identity"),
        ReLU => new ExpertState("ReLU"),
        LeakyReLU leaky => new ExpertState("LeakyReLU").Set("slope", leaky.negative_slope),
        ELU elu => new ExpertState("ELU").Set("alpha", elu.alpha),
        GELU gelu => new ExpertState("GELU").Set("approximate", gelu.approximate.ToString()),
        SiLU => new ExpertState("SiLU"),
        Sigmoid => new ExpertState("Sigmoid"),
        Tanh => new ExpertState("Tanh"),
        Softplus soft => new ExpertState("Softplus").Set("beta", soft.beta).Set("threshold", soft.threshold),
        _ => null,
    };

    private static nn.Module<Tensor, Tensor> Make(ExpertState state)
    {
        switch (state.Kind)
        {
            case "Linear":
                var (outputs, inputs) = Sizes(state);
                return nn.Linear(inputs, outputs, state.Get<bool>("hasBias"));
            case "LinearExpert":
                (outputs, inputs) = Sizes(state);
                return new LinearExpert(inputs, outputs, state.Get<bool>("hasBias"));
            case "LayerNorm":
                var shape = state.Get<long[]>("shape");
                return shape is { Length: > 0 } && shape.All(size => size is > 0 and < int.MaxValue)
                    ? nn.LayerNorm(shape, state.Get<double>("epsilon"), state.Get<bool>("affine"), state.Get<bool>("hasBias"))
                    : throw new ArgumentException("The state of a LayerNorm has no shape of sizes above 0.", nameof(state));
            case "Dropout":
                var p = state.Get<double>("p");
                return p is >= 0 and <= 1 ? nn.Dropout(p) : throw new ArgumentException($"The state of a Dropout has {p} as p; expected 0 to 1.", nameof(state));
            case "Identity":
                return nn.Identity();
            case "ReLU":
                return nn.ReLU();
            case "LeakyReLU":
                return nn.LeakyReLU(state.Get<double>("slope"));
            case "ELU":
                return nn.ELU(state.Get<double>("alpha"));
            case "GELU":
                return nn.GELU(Enum.TryParse<GELU.Approximate>(state.Get<string>("approximate"), out var approximate) ? approximate : throw new ArgumentException("The state of a GELU has no known approximation.", nameof(state)));
            case "SiLU":
                return nn.SiLU();
            case "Sigmoid":
                return nn.Sigmoid();
            case "Tanh":
                return nn.Tanh();
            case "Softplus":
                return nn.Softplus(state.Get<double>("beta"), state.Get<double>("threshold"));
            default:
                throw new ArgumentException($"Layers of kind \"{state.Kind}\" are not known here.", nameof(state));
        }
    }

    /// <summary>Outputs and inputs, of the weights that are there: no more memory is taken than the state has.</summary>
    private static (long Outputs, long Inputs) Sizes(ExpertState state)
    {
        using var weight = state.GetTensor("weight", -1, -1);
        return weight.numel() > 0 ? (weight.size(0), weight.size(1)) : throw new ArgumentException($"The state of a {state.Kind} has no weights.", nameof(state));
    }
}
