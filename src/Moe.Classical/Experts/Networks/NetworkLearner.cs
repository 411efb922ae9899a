using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Trains a network on weighted rows: by squared error, or the negative log-likelihood of counts, successes or classes, with AdamW on small batches.</summary>
/// <remarks>
/// <para>Inputs, and real responses, are standardised with the weights; weights are divided by their mean, so that only their ratios count. Where the previous expert is a
/// network of the same shape, training starts from its weights and scales (<see cref="NetworkOptions.WarmEpochs"/>).</para>
/// <para>The same seed gives the same network: starting weights are drawn with torch's global generator seeded and put back after, order and validation rows from
/// a generator of the fit's own. A network that draws as it runs (dropout) uses torch's global generator and is not reproducible while other threads draw.</para>
/// </remarks>
public sealed class NetworkLearner : IExpertLearner
{
    private readonly Func<long, long, nn.Module<Tensor, Tensor>> _factory;

    /// <summary>A learner of networks that a factory makes.</summary>
    /// <param name="factory">Makes a network [n, D] → [n, Dout] of D and Dout, a new one each time; may be called on several threads, one at a time.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    public NetworkLearner(Func<long, long, nn.Module<Tensor, Tensor>> factory, NetworkOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        Options = options ?? new NetworkOptions();
        Options.Validate(nameof(options));
        _factory = factory;
    }

    /// <summary>How it trains.</summary>
    public NetworkOptions Options { get; }

    internal Func<long, long, nn.Module<Tensor, Tensor>> Factory => _factory;

    /// <inheritdoc/>
    public string Name => "network";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => Enum.IsDefined(kind);

    /// <summary>Trains a <see cref="NetworkExpert"/>.</summary>
    /// <exception cref="ArgumentException">The network has another output width, or the loss is not finite any more: the learning rate is too high.</exception>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        context.CancellationToken.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        using var gradients = enable_grad();
        var rows = ResampledFit.Prepare(WeightSupport.Native, data, 0).Counting(out _);
        var previous = context.Previous as NetworkExpert;
        if (previous is not null && (previous.InputWidth != data.Width || previous.OutputWidth != data.Response.Width || previous.ResponseKind != data.Response.Kind))
            previous = null;

        var scales = previous?.Scales ?? NetworkScales.Of(rows);
        var module = NetworkWeights.Make(_factory, data.Width, data.Response.Width, context.Seed);
        if (previous is not null && !NetworkWeights.SameShapes(module, previous.Module))
            (previous, scales) = (null, NetworkScales.Of(rows));
        if (previous is not null)
            NetworkWeights.Set(module, NetworkWeights.All(previous.Module).ToDictionary(item => item.Name, item => item.Tensor));
        var (watched, trained) = Split(rows, scales, context.Seed);
        new NetworkTraining(module, Options, trained, watched, context).Run(previous is null ? Options.Epochs : Options.WarmEpochs);
        return new NetworkExpert(module, data.Response.Kind, scales, data.Response.Width, Options.FactoryName);
    }

    private (FitData? Watched, FitData Trained) Split(FitData data, NetworkScales scales, long seed)
    {
        var response = data.Response;
        if (response.Kind == ResponseKind.Real)
        {
            var values = response.Values.clone();
            foreach (ref var value in HostMemory.Of<double>(values))
                value = (value - scales.ResponseMean) / scales.ResponseScale;
            response = Response.Real(values);
        }
        var all = new FitData(scales.Apply(data.Inputs), response, data.Weights);
        var count = (int)(Options.ValidationShare * data.Rows);
        if (count == 0)
            return (null, all);
        var order = Enumerable.Range(0, (int)data.Rows).Select(row => (long)row).ToArray();
        new DrawSequence(Members.Seed(seed, 1)).Shuffle(order.AsSpan());
        return (all.Select(tensor(order[..count])), all.Select(tensor(order[count..])));
    }
}
