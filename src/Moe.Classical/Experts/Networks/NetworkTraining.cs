using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One training of one network.</summary>
internal sealed class NetworkTraining(nn.Module<Tensor, Tensor> module, NetworkOptions options, FitData trained, FitData? watched, FitContext context)
{
    /// <summary>Trains the network in place.</summary>
    public void Run(int epochs)
    {
        var parameters = module.parameters().Where(parameter => parameter.requires_grad).ToArray();
        var optimizer = new HostAdamW(parameters, options.LearningRate, options.WeightDecay);
        var draws = new DrawSequence(context.Seed);
        var order = Enumerable.Range(0, (int)trained.Rows).Select(row => (long)row).ToArray();
        Dictionary<string, Tensor>? best = null;
        var (least, waited) = (double.PositiveInfinity, 0);
        for (var epoch = 0; epoch < epochs && waited < options.Patience; epoch++)
        {
            module.train();
            draws.Shuffle(order.AsSpan());
            for (var start = 0; start < order.Length; start += options.BatchRows)
            {
                context.CancellationToken.ThrowIfCancellationRequested();
                Step(order[start..Math.Min(start + options.BatchRows, order.Length)], optimizer);
            }
            if (watched is null)
                continue;
            var loss = Watch(watched);
            if (loss < least)
            {
                (least, waited) = (loss, 0);
                Release(best);
                best = NetworkWeights.Copy(module);
            }
            else
            {
                waited++;
            }
        }
        if (best is not null)
            NetworkWeights.Set(module, best);
        Release(best);

        // Gradients would be kept as long as the network.
        foreach (var parameter in parameters)
            parameter.grad = null;
    }

    private static void Release(Dictionary<string, Tensor>? copy)
    {
        if (copy is null)
            return;
        foreach (var weights in copy.Values)
            weights.Dispose();
    }

    private void Step(long[] rows, HostAdamW optimizer)
    {
        using var scope = NewDisposeScope();
        var batch = trained.Select(tensor(rows));

        // Divided by the number of rows, not by the batch's weights: a batch of light rows makes light steps.
        var loss = Loss(batch);
        if (!double.IsFinite(loss.item<double>()))
            throw new ArgumentException($"The loss of a network is {loss.item<double>()}: a learning rate of {options.LearningRate} is too high, or the responses are out of all scale.", nameof(rows));
        loss.backward();
        optimizer.Step();
    }

    private double Watch(FitData data)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        module.eval();
        return Loss(data).item<double>();
    }

    private Tensor Loss(FitData data)
    {
        var outputs = module.call(data.Inputs);
        if (outputs.dim() != 2 || outputs.size(0) != data.Rows || outputs.size(1) != data.Response.Width)
            throw new ArgumentException($"The network answered {data.Rows} rows with [{string.Join(", ", outputs.shape)}]; expected [{data.Rows}, {data.Response.Width}].", nameof(data));
        var weights = (data.Weights ?? ones(data.Rows, dtype: ScalarType.Float64, device: CPU)).clone();
        foreach (ref var weight in HostMemory.Of<double>(weights))
            weight /= data.Rows;
        return NetworkLoss.Sum(outputs, data.Response, weights);
    }
}
