using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Gate and members while gradients train them: the loss of some rows, and who has which rows.</summary>
internal sealed class GradientModel
{
    /// <summary>Rows that are looked at together where no gradient is wanted.</summary>
    private const int RowsAtOnce = 4096;

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

    /// <summary>The mean loss of some rows and the balance term, with gradients. Real responses are standardised in it.</summary>
    /// <param name="index">[m], Int64.</param>
    public Tensor Loss(Tensor index)
    {
        var gates = Gate.LogProbabilities(_rows.Gate.index_select(0, index));
        var loss = Losses(gates, index).mul(_rows.Weights.index_select(0, index)).mean();
        return _options.Balance > 0 && _networks.Length > 1 ? loss.add(Balance(gates), KeptScalars.One) : loss;
    }

    /// <summary>The mean loss of some rows by their weights, in the unit of the responses and without the balance term.</summary>
    public double MeanLoss(long[] rows)
    {
        var weights = HostMemory.Of<double>(_rows.Weights);
        var (sum, total) = (0.0, 0.0);
        using var constant = no_grad();
        foreach (var some in rows.Chunk(RowsAtOnce))
        {
            using var scope = NewDisposeScope();
            var index = tensor(some);
            var losses = HostMemory.Of<double>(Losses(Gate.LogProbabilities(_rows.Gate.index_select(0, index)), index).contiguous());
            for (var place = 0; place < some.Length; place++)
            {
                sum += weights[(int)some[place]] * losses[place];
                total += weights[(int)some[place]];
            }
        }
        var scale = _rows.GateScales.ResponseScale;
        return IsBlended ? sum / total * scale * scale : (sum / total) + Math.Log(scale);
    }

    /// <summary>The mean over some rows, by their weights, of the gate's probability of each member.</summary>
    public double[] MeanGates(long[] rows)
    {
        var weights = HostMemory.Of<double>(_rows.Weights);
        var (means, total) = (new double[Parts.Count], 0.0);
        using var constant = no_grad();
        foreach (var some in rows.Chunk(RowsAtOnce))
        {
            using var scope = NewDisposeScope();
            var gates = HostMemory.Of<double>(Gate.LogProbabilities(_rows.Gate.index_select(0, tensor(some))).exp().contiguous());
            for (var place = 0; place < gates.Length; place++)
                means[place % means.Length] += weights[(int)some[place / means.Length]] * gates[place];
            foreach (var row in some)
                total += weights[(int)row];
        }
        return [.. means.Select(mean => mean / total)];
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
    public Snapshot Copy()
    {
        using var scope = NewDisposeScope();
        var copy = new Snapshot(
            Gate.Copy(), Gate.Temperature, [.. Parts.Select(part => part.Module is null ? null : NetworkWeights.Copy(part.Module))],
            [.. Parts.Select(part => part.LogSigma is null ? 0 : part.LogSigma.item<double>())], [.. Parts.Select(part => part.Now)]);
        scope.MoveToOuter(copy.Numbers);
        return copy;
    }

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

    /// <summary>The networks end with a fit that failed: nobody else has them.</summary>
    public void DisposeNetworks()
    {
        Gate.DisposeNetwork();
        foreach (var part in Parts)
            part.Module?.Dispose();
    }

    /// <summary>The loss of each row, [m], real responses standardised.</summary>
    private Tensor Losses(Tensor gates, Tensor index)
    {
        if (!IsBlended)
            return Joint(gates, index).logsumexp(1).neg();
        var means = stack([.. Parts.Select(part => part.Means(index))], 1);
        var error = gates.exp().mul(means).sum(dim: 1).sub(_rows.Values.index_select(0, index));
        return error.mul(error);
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
    public sealed record Snapshot(Dictionary<string, Tensor> Gate, double Temperature, Dictionary<string, Tensor>?[] Networks, double[] LogSigmas, GradientPart.State[] Boxes)
    {
        /// <summary>The tensors that are its own.</summary>
        public IEnumerable<Tensor> Numbers => Gate.Values.Concat(Networks.OfType<Dictionary<string, Tensor>>().SelectMany(network => network.Values));

        /// <summary>All tensors; those of black boxes may be in other states too.</summary>
        public IEnumerable<Tensor> Tensors => Numbers.Concat(Boxes.SelectMany(box => box.Tensors));
    }
}
