using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Gate and members while gradients train them: the loss of some rows, and who has which rows.</summary>
internal sealed class GradientModel
{
    private readonly GradientRows _rows;
    private readonly GradientOptions _options;
    private readonly long[] _networks;

    public GradientModel(GradientRows rows, GradientGateModel gate, IReadOnlyList<GradientPart> parts, GradientOptions options)
    {
        (_rows, Gate, Parts, _options) = (rows, gate, parts, options);
        _networks = [.. Enumerable.Range(0, parts.Count).Where(place => parts[place].Module is not null).Select(place => (long)place)];
        IsBlended = options.Loss == GradientLoss.BlendedError && rows.Data.Response.Kind == ResponseKind.Real;
    }

    public GradientGateModel Gate { get; }

    public IReadOnlyList<GradientPart> Parts { get; }

    /// <summary>True if the loss is the squared error of the blend. For classes the blend's cross-entropy is the likelihood.</summary>
    public bool IsBlended { get; }

    /// <summary>The parameters that do not decay: those of the gate and of noise.</summary>
    public Tensor[] GateParameters => [.. Gate.Parameters, .. Parts.Where(part => part.LogSigma is not null).Select(part => part.LogSigma!)];

    /// <summary>The networks' parameters.</summary>
    public Tensor[] NetworkParameters => [.. Parts.Where(part => part.Module is not null).SelectMany(part => part.Module!.parameters()).Where(parameter => parameter.requires_grad)];

    /// <summary>The mean loss of some rows, with gradients.</summary>
    /// <param name="index">[m], Int64.</param>
    /// <param name="isTraining">True to add the balance term.</param>
    public Tensor Loss(Tensor index, bool isTraining)
    {
        var gates = Gate.LogProbabilities(_rows.Gate.index_select(0, index));
        var weights = _rows.Weights.index_select(0, index);
        Tensor losses;
        if (IsBlended)
        {
            var means = stack([.. Parts.Select(part => part.Means(index))], 1);
            var error = gates.exp().mul(means).sum(dim: 1).sub(_rows.Values.index_select(0, index));
            losses = error.mul(error);
        }
        else
        {
            losses = Joint(gates, index).logsumexp(1).neg();
        }
        var loss = losses.mul(weights).mean();
        return isTraining && _options.Balance > 0 && _networks.Length > 1 ? loss.add(Balance(gates), KeptScalars.One) : loss;
    }

    /// <summary>Each member's share of each row: responsibilities, or the gate's probabilities where the loss is that of the blend. [m, K], row by row.</summary>
    public double[] Shares(Tensor index)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var gates = Gate.LogProbabilities(_rows.Gate.index_select(0, index));
        var log = (IsBlended ? gates : Joint(gates, index)).contiguous().clone();
        var shares = HostMemory.Of<double>(log);
        for (var start = 0; start < shares.Length; start += Parts.Count)
            LogSum.ToShares(shares.Slice(start, Parts.Count));
        return shares.ToArray();
    }

    /// <summary>Training or evaluation mode of all networks.</summary>
    public void Train(bool isOn)
    {
        Gate.Train(isOn);
        foreach (var part in Parts)
            part.Module?.train(isOn);
    }

    /// <summary>Noise at its floor goes no lower.</summary>
    public void Clamp()
    {
        var floor = Math.Log(_options.SigmaFloor);
        foreach (var part in Parts)
        {
            if (part.LogSigma is { } sigma)
                HostMemory.Of<double>(sigma)[0] = Math.Max(HostMemory.Of<double>(sigma)[0], floor);
        }
    }

    /// <summary>All numbers, as copies, and the black boxes.</summary>
    public Snapshot Copy() => new(
        Gate.Copy(), Gate.Temperature, [.. Parts.Select(part => part.Module is null ? null : NetworkWeights.Copy(part.Module))],
        [.. Parts.Select(part => part.LogSigma is null ? 0 : part.LogSigma.item<double>())], [.. Parts.Select(part => part.Now)]);

    /// <summary>Puts a copy back.</summary>
    public void Set(Snapshot snapshot)
    {
        Gate.Set(snapshot.Gate);
        Gate.Temperature = snapshot.Temperature;
        for (var place = 0; place < Parts.Count; place++)
        {
            if (Parts[place].Module is { } module)
                NetworkWeights.Set(module, snapshot.Networks[place]!);
            if (Parts[place].LogSigma is { } sigma)
                HostMemory.Of<double>(sigma)[0] = snapshot.LogSigmas[place];
            Parts[place].Now = snapshot.Boxes[place];
        }
    }

    private Tensor Joint(Tensor gates, Tensor index) => gates.add(stack([.. Parts.Select(part => part.LogDensity(index))], 1), KeptScalars.One);

    /// <summary>α E Σ p f over the networks, given that one of them is chosen: the gate's logits of other members have no part in it.</summary>
    private Tensor Balance(Tensor gates)
    {
        var among = gates.index_select(1, tensor(_networks)).softmax(1);
        var counts = new double[_networks.Length];
        using var plain = among.detach().contiguous();
        var values = HostMemory.Of<double>(plain);
        for (var start = 0; start < values.Length; start += counts.Length)
        {
            var row = values.Slice(start, counts.Length);
            var best = 0;
            for (var network = 1; network < row.Length; network++)
                best = row[network] > row[best] ? network : best;
            counts[best] += _options.Balance * counts.Length * counts.Length / values.Length;
        }
        return among.mean([0]).mul(tensor(counts)).sum();
    }

    /// <summary>A state of training to go back to.</summary>
    public sealed record Snapshot(Dictionary<string, Tensor> Gate, double Temperature, Dictionary<string, Tensor>?[] Networks, double[] LogSigmas, GradientPart.State[] Boxes);
}
