using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fitted mixtures as layers of networks.</summary>
public static class MixtureLayer
{
    /// <summary>The log-probability that stands for 0, as logits of a layer are finite.</summary>
    private const double LeastLog = -700;

    /// <summary>A layer that answers as a fitted mixture does: its gate has the fitted coefficients, and may be trained on; its experts are the fitted ones.</summary>
    /// <remarks>
    /// Where the mixture asks the best k experts only (<see cref="FittedMixture.WithTopK"/>), so does the layer. <see cref="FlowOf"/> says which experts gradients reach. The layer
    /// owns, trains and disposes the experts that are modules, and no others.
    /// </remarks>
    /// <param name="mixture">With a <see cref="SoftmaxGate"/>, a <see cref="TreeGate"/> (which becomes a <see cref="TreeRouter"/>) or a <see cref="ConstantGate"/>; stays as it is.</param>
    /// <param name="dtype">Float64 or Float32, the type of the layer's input; experts that are modules must be of that type. Null for Float64.</param>
    /// <returns>A layer [*, D] → [*, Dout] on the CPU, equal to <c>mixture.forward</c> up to rounding. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The gate is another one, or the type is.</exception>
    public static MixtureOfExperts From(FittedMixture mixture, ScalarType? dtype = null)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        var type = dtype ?? ScalarType.Float64;
        if (type is not (ScalarType.Float64 or ScalarType.Float32))
            throw new ArgumentException($"Expected Float64 or Float32, got {type}.", nameof(dtype));
        return new MixtureOfExperts(RouterOf(mixture, type), mixture.Components.Select(component => IsTakenAsItIs(component) ? component.Expert : new View(component, mixture.InputWidth)));
    }

    /// <summary>What a gradient reaches through an expert of the layer that <see cref="From"/> makes.</summary>
    /// <param name="component">The expert.</param>
    /// <returns>
    /// For a module that sees all columns: its parameters, if any is to be trained, and the input. For every other expert, and for a module that sees some columns or whose
    /// probabilities are calibrated: <see cref="GradientFlow.None"/>.
    /// </returns>
    public static GradientFlow FlowOf(MixtureComponent component)
    {
        ArgumentNullException.ThrowIfNull(component);
        if (!IsTakenAsItIs(component))
            return GradientFlow.None;
        var isTrained = ((nn.Module)component.Expert).parameters().Any(parameter => parameter.requires_grad);
        return GradientFlow.ToInput | (isTrained ? GradientFlow.ToParameters : GradientFlow.None);
    }

    private static bool IsTakenAsItIs(MixtureComponent component) =>
        component is { Expert: nn.Module, Columns: null } && component.Noise is not CategoricalNoise;

    private static Router RouterOf(FittedMixture mixture, ScalarType type)
    {
        var (experts, width) = (mixture.Components.Count, (int)mixture.InputWidth);
        var (slopes, intercepts) = Coefficients(mixture, width);
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var (weight, bias) = (tensor(slopes, [intercepts.Length, width], dtype: type), tensor(intercepts, dtype: type));
        if (mixture.Gate is TreeGate { Gates.Count: > 0 } tree)
            return new TreeRouter(tree.Tree, mixture.TopK ?? experts, weight, bias);
        var options = new GatingOptions { InputWidth = width, ExpertCount = experts, TopK = mixture.TopK ?? experts, Bias = true, Softmax = SoftmaxOrder.AfterSelection };
        var gate = new GatingNetwork(options, device: CPU, dtype: type);
        gate.Weight.copy_(weight);
        gate.Bias!.copy_(bias);
        return gate;
    }

    /// <summary>Slopes of all columns of the rows, [C, D], and intercepts, [C], of C experts or children of branches.</summary>
    private static (double[] Slopes, double[] Intercepts) Coefficients(FittedMixture mixture, int width)
    {
        IReadOnlyList<SoftmaxGate> gates;
        switch (mixture.Gate)
        {
            case SoftmaxGate gate:
                gates = [gate];
                break;
            case TreeGate { Gates.Count: > 0 } tree:
                gates = tree.Gates;
                break;
            case TreeGate:
                return (new double[width], [0]);
            case ConstantGate constant:
                return (new double[constant.Experts * width], [.. constant.Probabilities.Select(probability => Math.Max(Math.Log(probability), LeastLog))]);
            default:
                throw new ArgumentException($"A layer takes a {nameof(SoftmaxGate)}, a {nameof(TreeGate)} or a {nameof(ConstantGate)}, got a {mixture.Gate.GetType().Name}.", nameof(mixture));
        }
        var choices = gates.Sum(gate => gate.Experts);
        var (slopes, intercepts, choice) = (new double[choices * width], new double[choices], 0);
        var seen = mixture.GateColumns ?? [.. Enumerable.Range(0, width)];
        foreach (var gate in gates)
        {
            using var coefficients = gate.Coefficients();
            var numbers = HostMemory.Of<double>(coefficients);
            for (var expert = 0; expert < gate.Experts; expert++, choice++)
            {
                var own = numbers.Slice(expert * (seen.Count + 1), seen.Count + 1);
                intercepts[choice] = own[0];
                for (var place = 0; place < seen.Count; place++)
                    slopes[(choice * width) + seen[place]] += own[place + 1];
            }
        }
        return (slopes, intercepts);
    }

    /// <summary>A fitted expert that sees its columns of the layer's rows, and answers means or probabilities.</summary>
    private sealed class View(MixtureComponent component, long inputWidth) : IExpert
    {
        public long InputWidth { get; } = inputWidth;

        public long OutputWidth => component.Expert.OutputWidth;

        public Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            using var constant = no_grad();
            var answer = FittedMixture.Answer(component, DataGuard.Rows(input, InputWidth, nameof(input)));
            return scope.MoveToOuter(answer.to(input.dtype, input.device));
        }
    }
}
