using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A network as a gate: the log-softmax of the logits that it gives standardised rows. It cannot be stored.</summary>
/// <remarks>A network whose <c>forward</c> changes it must not answer on several threads at once.</remarks>
public sealed class ModuleGate : IGate
{
    private readonly NetworkScales _scales;
    private readonly double _temperature;

    internal ModuleGate(nn.Module<Tensor, Tensor> module, NetworkScales scales, int experts, double temperature)
    {
        (Module, _scales, Experts, _temperature) = (module, scales, experts, temperature);
        module.eval();
    }

    /// <summary>The network, of Float64 on the CPU, in evaluation mode: from standardised rows [n, Dz] to logits [n, K].</summary>
    public nn.Module<Tensor, Tensor> Module { get; }

    /// <inheritdoc/>
    public long InputWidth => _scales.InputMeans.Length;

    /// <inheritdoc/>
    public int Experts { get; }

    /// <summary>The number of weights that are trained: more than the freedom that it uses, where weights decay or training stops early.</summary>
    public double? DegreesOfFreedom => Module.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());

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
}
