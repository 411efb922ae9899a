using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One training: batches, refits of black boxes, the watch over rows held back.</summary>
internal sealed class GradientRun(GradientModel model, GradientRows rows, GradientOptions options, IProgress<GradientProgress>? progress, CancellationToken cancellation)
{
    /// <summary>Trains the model in place.</summary>
    public void Run()
    {
        var gate = new HostAdamW(model.GateParameters, options.LearningRate, 0);
        var networks = new HostAdamW(model.NetworkParameters, options.LearningRate, options.WeightDecay);
        var draws = new DrawSequence(Members.Seed(options.Seed, 2));
        var order = (long[])rows.Trained.Clone();
        GradientModel.Snapshot? best = null;
        var (least, waited) = (double.PositiveInfinity, 0);
        for (var epoch = 0; epoch < options.Epochs && waited < options.Patience; epoch++)
        {
            cancellation.ThrowIfCancellationRequested();
            model.Gate.Temperature = TemperatureOf(epoch);
            if (epoch % options.RefitEvery == 0)
                Refit(epoch == 0 ? FirstShares() : null);
            model.Train(true);
            draws.Shuffle(order.AsSpan());
            var sum = 0.0;
            for (var start = 0; start < order.Length; start += options.BatchRows)
            {
                cancellation.ThrowIfCancellationRequested();
                var batch = order[start..Math.Min(start + options.BatchRows, order.Length)];
                sum += Step(batch, gate, networks) * batch.Length;
            }
            double? watched = rows.Watched.Length > 0 ? Watch() : null;
            progress?.Report(new GradientProgress(epoch + 1, sum / order.Length, watched));
            if (watched is not { } loss)
                continue;
            if (loss < least)
                (least, waited, best) = (loss, 0, model.Copy());
            else
                waited++;
        }
        if (best is not null)
            model.Set(best);
        model.Train(false);
    }

    private double TemperatureOf(int epoch) => options.Epochs == 1
        ? options.LastTemperature
        : options.FirstTemperature * Math.Pow(options.LastTemperature / options.FirstTemperature, epoch / (options.Epochs - 1.0));

    private double Step(long[] batch, HostAdamW gate, HostAdamW networks)
    {
        using var scope = NewDisposeScope();
        var loss = model.Loss(tensor(batch), isTraining: true);
        var value = loss.item<double>();
        if (!double.IsFinite(value))
            throw new ArgumentException($"The loss of the mixture is {value}: a learning rate of {options.LearningRate} is too high, or the rows are out of all scale.");
        if (!loss.requires_grad)
            return value;
        loss.backward();
        gate.Step();
        networks.Step();
        model.Clamp();
        return value;
    }

    private double Watch()
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        model.Train(false);
        return model.Loss(tensor(rows.Watched), isTraining: false).item<double>();
    }

    private void Refit(double[]? first)
    {
        model.Train(false);
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
