using System.Runtime.InteropServices;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A network as a gate: the log-softmax of the logits that it gives standardised rows.</summary>
/// <remarks>
/// It can be stored if its factory has a name (<see cref="GradientGate.Network"/>), or if it is made of well-known layers alone: <c>Linear</c>, <c>LayerNorm</c>, <c>Dropout</c> and activations, in
/// <c>Sequential</c>s. A network whose <c>forward</c> changes it must not answer on several threads at once.
/// </remarks>
public sealed class ModuleGate : IStoredGate
{
    internal const string Kind = "module";

    private readonly NetworkScales _scales;
    private readonly double _temperature;
    private readonly string? _factoryName;

    internal ModuleGate(nn.Module<Tensor, Tensor> module, NetworkScales scales, int experts, double temperature, string? factoryName, double? freedom = null)
    {
        (Module, _scales, Experts, _temperature, _factoryName) = (module, scales, experts, temperature, factoryName);
        DegreesOfFreedom = freedom ?? module.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());
        module.eval();
    }

    /// <summary>The network, of Float64 on the CPU, in evaluation mode: from standardised rows [n, Dz] to logits [n, K].</summary>
    public nn.Module<Tensor, Tensor> Module { get; }

    /// <inheritdoc/>
    public long InputWidth => _scales.InputMeans.Length;

    /// <inheritdoc/>
    public int Experts { get; }

    /// <summary>The number of weights that are trained: more than the freedom that it uses, where weights decay or training stops early.</summary>
    public double? DegreesOfFreedom { get; }

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        if (rows.size(0) == 0)
            return scope.MoveToOuter(zeros(0, Experts, dtype: ScalarType.Float64, device: CPU));
        var answer = Module.call(_scales.Apply(rows)).contiguous().clone();
        var log = HostMemory.Of<double>(answer);
        for (var start = 0; start < log.Length; start += Experts)
        {
            var row = log.Slice(start, Experts);
            for (var expert = 0; expert < Experts; expert++)
            {
                row[expert] /= _temperature;
                if (!double.IsFinite(row[expert]))
                    throw new InvalidOperationException($"The network of a gate answered {row[expert]} to row {start / Experts}; logits must be finite.");
            }
            LogSum.Normalise(row);
        }
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The network has a layer that is not well known, and its factory has no name; the message says what to do.</exception>
    public ExpertState ToState()
    {
        var network = _factoryName is null ? NetworkLayers.ToState(Module) : new ExpertState("network-weights");
        if (network is null)
        {
            throw new NotSupportedException(
                $"The network of a gate, a {Module.GetType().Name}, cannot be stored as it is: it is not made of {NetworkLayers.Known} alone. "
                + $"Name its factory in GradientGate.Network, and make it known by {nameof(NetworkFactories)}.{nameof(NetworkFactories.Register)}.");
        }
        if (_factoryName is not null)
        {
            foreach (var (name, tensor) in NetworkWeights.All(Module))
                network.Add(name, tensor);
        }
        return new ExpertState(Kind)
            .Set("factory", _factoryName)
            .Set("experts", Experts)
            .Set("inputMeans", _scales.InputMeans)
            .Set("inputScales", _scales.InputScales)
            .Set("temperature", _temperature)
            .Set("freedom", DegreesOfFreedom)
            .Add("network", network);
    }

    internal static ModuleGate FromState(ExpertState state)
    {
        var scales = new NetworkScales(state.Get<double[]>("inputMeans"), state.Get<double[]>("inputScales"), 0, 1);
        var (factory, experts, temperature) = (state.Get<string?>("factory"), state.Get<int>("experts"), state.Get<double>("temperature"));
        if (scales.InputMeans is not { Length: > 0 } || scales.InputMeans.Length != scales.InputScales?.Length || experts < 1 || !(temperature > 0))
            throw new ArgumentException("The state of a network's gate has scales of different lengths, no experts, or no temperature.", nameof(state));
        var freedom = state.Get<double?>("freedom");
        using var scope = NewDisposeScope();
        var network = state.Child("network");
        nn.Module<Tensor, Tensor> module;
        if (factory is null)
        {
            module = NetworkLayers.FromState(network);
        }
        else
        {
            module = NetworkWeights.Make(NetworkFactories.Of(factory), scales.InputMeans.Length, experts, 0);
            NetworkWeights.Set(module, network.Tensors);
        }
        var gate = new ModuleGate(module, scales, experts, temperature, factory, freedom);
        gate.RequireShape();
        return gate;
    }

    /// <summary>Asks for one row: a damaged state may have layers that do not fit together.</summary>
    private void RequireShape()
    {
        using var constant = no_grad();
        try
        {
            var answer = Module.call(zeros(1, InputWidth, dtype: ScalarType.Float64, device: CPU));
            if (answer.dim() == 2 && answer.size(0) == 1 && answer.size(1) == Experts)
                return;
        }
        catch (ExternalException exception)
        {
            throw new ArgumentException("The layers of a network's gate do not fit together.", exception);
        }
        throw new ArgumentException($"The network of a gate does not answer rows of width {InputWidth} with logits of {Experts} experts.");
    }
}
