using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One training: batches, refits of black boxes, the watch over rows held back.</summary>
internal sealed class GradientRun(GradientModel model, GradientRows rows, GradientOptions options, IProgress<GradientProgress>? progress, CancellationToken cancellation)
{
    private GradientModel.Snapshot? _best;

    /// <summary>Trains the model in place.</summary>
    public GradientTrace Run()
    {
        var gate = new HostAdamW(model.GateParameters, options.LearningRate, 0);
        var networks = new HostAdamW(model.NetworkParameters, options.LearningRate, options.WeightDecay);
        var rates = new RateSchedule(options, rows.Trained.Length);
        var draws = new DrawSequence(Members.Seed(options.Seed, 2));
        var order = (long[])rows.Trained.Clone();
        var (training, heldOut) = (new List<double>(), new List<double>());
        var (step, least, kept) = (0L, double.PositiveInfinity, 0);
        for (var epoch = 0; epoch < options.Epochs && epoch - kept < (rows.Watched.Length > 0 ? options.Patience : int.MaxValue); epoch++)
        {
            cancellation.ThrowIfCancellationRequested();
            model.Gate.Temperature = TemperatureOf(epoch);
            if (epoch % options.RefitEvery == 0)
                Refit(epoch == 0 ? FirstShares() : null);
            model.Train(true);
            draws.Shuffle(order.AsSpan());
            for (var start = 0; start < order.Length; start += options.BatchRows, step++)
            {
                cancellation.ThrowIfCancellationRequested();
                Step(order[start..Math.Min(start + options.BatchRows, order.Length)], gate, networks, rates.At(step));
            }
            model.Train(false);
            training.Add(model.MeanLoss(rows.Trained));
            if (rows.Watched.Length > 0)
                heldOut.Add(model.MeanLoss(rows.Watched));
            progress?.Report(new GradientProgress(epoch + 1, training[^1], heldOut.Count > 0 ? heldOut[^1] : null));
            if (heldOut.Count > 0 && heldOut[^1] < least)
            {
                (least, kept) = (heldOut[^1], epoch + 1);
                Keep();
            }
        }
        if (_best is { } best)
        {
            model.Set(best);
            _best = null;
            Release(best.Tensors);
        }
        return new GradientTrace(training, heldOut, kept > 0 ? kept : training.Count, training.Count < options.Epochs);
    }

    /// <summary>Keeps the model as it is instead of the state kept before.</summary>
    private void Keep()
    {
        var before = _best;
        _best = model.Copy();
        if (before is not null)
            Release(before.Tensors);
    }

    /// <summary>Ends tensors, but for those that the model or the state that is kept still has.</summary>
    private void Release(IEnumerable<Tensor> tensors)
    {
        var needed = new HashSet<Tensor>(model.Parts.SelectMany(part => part.Now.Tensors).Concat(_best?.Tensors ?? []), ReferenceEqualityComparer.Instance);
        foreach (var tensor in tensors)
        {
            if (!needed.Contains(tensor))
                tensor.Dispose();
        }
    }

    private double TemperatureOf(int epoch) => options.Epochs == 1
        ? options.LastTemperature
        : options.FirstTemperature * Math.Pow(options.LastTemperature / options.FirstTemperature, epoch / (options.Epochs - 1.0));

    private void Step(long[] batch, HostAdamW gate, HostAdamW networks, double share)
    {
        using var scope = NewDisposeScope();
        var loss = model.Loss(tensor(batch));
        var value = loss.item<double>();
        if (!double.IsFinite(value))
            throw new ArgumentException($"The loss of the mixture is {value}: a learning rate of {options.LearningRate} is too high, or the rows are out of all scale.");
        if (!loss.requires_grad)
            return;
        loss.backward();
        gate.Step(share);
        networks.Step(share);
        model.Clamp();
    }

    private void Refit(double[]? first)
    {
        model.Train(false);
        var before = model.Parts.SelectMany(part => part.Now.Tensors).ToArray();
        var shares = first;
        if (shares is null)
        {
            using var index = tensor(rows.Trained);
            shares = model.Shares(index);
        }
        var experts = model.Parts.Count;
        var own = new double[rows.Trained.Length];
        for (var expert = 0; expert < experts; expert++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var row = 0; row < own.Length; row++)
                own[row] = shares[(row * experts) + expert];
            model.Parts[expert].Refit(own, cancellation);
        }
        Release(before);
    }

    /// <summary>Equal shares; drawn ones (uniform on the simplex) where several members learn by refits, which would otherwise be alike for good.</summary>
    private double[] FirstShares()
    {
        var experts = model.Parts.Count;
        var shares = new double[rows.Trained.Length * experts];
        Array.Fill(shares, 1.0 / experts);
        if (model.Parts.Count(part => part is { Module: null, Member.Learner: not null }) < 2)
            return shares;
        var draws = new DrawSequence(Members.Seed(options.Seed, 3));
        for (var start = 0; start < shares.Length; start += experts)
        {
            var row = shares.AsSpan(start, experts);
            var sum = 0.0;
            foreach (ref var share in row)
                sum += share = -Math.Log(1 - draws.Uniform());
            foreach (ref var share in row)
                share = sum > 0 ? share / sum : 1.0 / experts;
        }
        return shares;
    }
}
