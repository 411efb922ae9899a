using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A gate while gradients train it, on standardised rows.</summary>
internal sealed class GradientGateModel
{
    private readonly NetworkScales _scales;
    private readonly int _experts;
    private readonly GateTree[] _branches = [];
    private readonly GateTree _tree;
    private readonly Tensor? _coefficients;
    private readonly Tensor? _membership;
    private readonly nn.Module<Tensor, Tensor>? _module;
    private readonly string? _factoryName;

    /// <summary>A gate before training: linear ones make all children equally probable.</summary>
    public GradientGateModel(GradientGate gate, NetworkScales scales, int experts, long seed)
    {
        (_scales, _experts) = (scales, experts);
        var width = scales.InputMeans.Length;
        _tree = gate.Tree ?? GateTree.Balanced(experts, Math.Max(experts, 2));
        if (gate.Factory is { } factory)
        {
            _factoryName = gate.FactoryName;
            _module = NetworkWeights.Make(factory, width, experts, seed);
            Parameters = [.. _module.parameters().Where(parameter => parameter.requires_grad)];
            return;
        }
        _branches = [.. _tree.Branches];
        var choices = _branches.Sum(branch => branch.Children.Count);
        if (choices == 0)
            return;
        _coefficients = zeros(choices, width + 1, dtype: ScalarType.Float64, device: CPU, requires_grad: true);
        var membership = new double[choices * experts];
        var choice = 0;
        foreach (var child in _branches.SelectMany(branch => branch.Children))
        {
            foreach (var expert in child.Leaves)
                membership[(choice * experts) + expert] = 1;
            choice++;
        }
        _membership = tensor(membership, [choices, experts]);
        Parameters = [_coefficients];
    }

    /// <summary>What is trained.</summary>
    public IReadOnlyList<Tensor> Parameters { get; } = [];

    /// <summary>The divisor of the logits.</summary>
    public double Temperature { get; set; } = 1;

    /// <summary>log g of standardised rows [m, Dz], [m, K].</summary>
    public Tensor LogProbabilities(Tensor rows)
    {
        if (_module is not null)
        {
            var logits = _module.call(rows);
            if (logits.dim() != 2 || logits.size(0) != rows.size(0) || logits.size(1) != _experts)
                throw new ArgumentException($"The network of the gate answered {rows.size(0)} rows with [{string.Join(", ", logits.shape)}]; expected [{rows.size(0)}, {_experts}].", nameof(rows));
            return logits.div(tensor(Temperature)).log_softmax(1);
        }
        if (_coefficients is null)
            return zeros(rows.size(0), 1, dtype: ScalarType.Float64, device: CPU);
        var all = rows.matmul(_coefficients.narrow(1, 1, rows.size(1)).t()).add(_coefficients.narrow(1, 0, 1).t(), KeptScalars.One).div(tensor(Temperature));
        var logs = new List<Tensor>();
        var first = 0L;
        foreach (var branch in _branches)
        {
            logs.Add(all.narrow(1, first, branch.Children.Count).log_softmax(1));
            first += branch.Children.Count;
        }
        return cat(logs, 1).matmul(_membership!);
    }

    /// <summary>Training or evaluation mode of a network.</summary>
    public void Train(bool isOn) => _module?.train(isOn);

    /// <summary>All numbers, as copies.</summary>
    public Dictionary<string, Tensor> Copy() => _module is not null ? NetworkWeights.Copy(_module)
        : _coefficients is null ? [] : new() { ["coefficients"] = _coefficients.detach().clone() };

    /// <summary>Sets all numbers.</summary>
    public void Set(Dictionary<string, Tensor> values)
    {
        using var constant = no_grad();
        if (_module is not null)
            NetworkWeights.Set(_module, values);
        else
            _coefficients?.copy_(values["coefficients"]);
    }

    /// <summary>Ends the network of a fit that failed.</summary>
    public void DisposeNetwork() => _module?.Dispose();

    /// <summary>The fitted gate, for rows as they are.</summary>
    public IGate Finish()
    {
        if (_module is not null)
        {
            foreach (var parameter in Parameters)
                parameter.grad = null;
            return new ModuleGate(_module, _scales, _experts, Temperature, _factoryName);
        }
        var width = _scales.InputMeans.Length;
        if (_coefficients is null)
            return new ConstantGate([1], width);
        var numbers = HostMemory.Of<double>(_coefficients);
        var (gates, first) = (new List<SoftmaxGate>(), 0);
        foreach (var branch in _branches)
        {
            var children = branch.Children.Count;
            var raw = new double[children * (width + 1)];
            for (var child = 0; child < children; child++)
            {
                var (from, to) = ((first + child) * (width + 1), child * (width + 1));
                raw[to] = numbers[from] / Temperature;
                for (var column = 0; column < width; column++)
                {
                    raw[to + column + 1] = numbers[from + column + 1] / Temperature / _scales.InputScales[column];
                    raw[to] -= raw[to + column + 1] * _scales.InputMeans[column];
                }
            }
            first += children;
            using var coefficients = tensor(raw, [children, width + 1]);
            gates.Add(new SoftmaxGate(coefficients));
        }
        var isFlat = _branches.Length == 1 && _tree.Leaves.SequenceEqual(Enumerable.Range(0, _experts));
        return isFlat ? gates[0] : new TreeGate(_tree, gates, width);
    }
}
