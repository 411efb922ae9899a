using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A trained network that answers means or probabilities.</summary>
/// <remarks>
/// It can be stored if its learner named its factory (<see cref="NetworkOptions.FactoryName"/>): a file holds weights, and <see cref="NetworkFactories"/> the code.
/// A network whose <c>forward</c> changes it must not answer on several threads at once.
/// </remarks>
public sealed class NetworkExpert : ClassicalExpert, IParametric, IStoredExpert
{
    internal const string Kind = "network";

    private readonly string? _factoryName;

    internal NetworkExpert(nn.Module<Tensor, Tensor> module, ResponseKind responseKind, NetworkScales scales, long outputWidth, string? factoryName)
        : base(scales.InputMeans.Length, outputWidth)
    {
        (Module, ResponseKind, Scales, _factoryName) = (module, responseKind, scales, factoryName);
        module.eval();
    }

    /// <summary>The network, of Float64 on the CPU, in evaluation mode: from standardised inputs [n, D] to a standardised mean, a log, a logit, or logits [n, Dout].</summary>
    public nn.Module<Tensor, Tensor> Module { get; }

    /// <summary>What kind of response it was fitted to.</summary>
    public ResponseKind ResponseKind { get; }

    /// <summary>The number of weights that are trained: more than the freedom that it uses, where weights decay or training stops early.</summary>
    public double DegreesOfFreedom => Module.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());

    internal NetworkScales Scales { get; }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Its learner did not name the factory.</exception>
    public ExpertState ToState()
    {
        if (_factoryName is null)
            throw new NotSupportedException("A network can be stored if NetworkOptions.FactoryName names its factory; this one's does not.");
        var weights = new ExpertState("network-weights");
        foreach (var (name, tensor) in NetworkWeights.All(Module))
            weights.Add(name, tensor);
        return new ExpertState(Kind)
            .Set("factory", _factoryName)
            .Set("response", ResponseKind)
            .Set("outputWidth", OutputWidth)
            .Set("inputMeans", Scales.InputMeans)
            .Set("inputScales", Scales.InputScales)
            .Set("responseMean", Scales.ResponseMean)
            .Set("responseScale", Scales.ResponseScale)
            .Add("weights", weights);
    }

    internal static NetworkExpert FromState(ExpertState state)
    {
        var scales = new NetworkScales(state.Get<double[]>("inputMeans"), state.Get<double[]>("inputScales"), state.Get<double>("responseMean"), state.Get<double>("responseScale"));
        if (scales.InputMeans.Length == 0 || scales.InputMeans.Length != scales.InputScales.Length)
            throw new ArgumentException("The state of a network has scales of different lengths.", nameof(state));
        var (name, width) = (state.Get<string>("factory"), state.Get<long>("outputWidth"));
        using var scope = NewDisposeScope();
        var module = NetworkWeights.Make(NetworkFactories.Of(name), scales.InputMeans.Length, width, 0);
        NetworkWeights.Set(module, state.Child("weights").Tensors);
        return new NetworkExpert(module, state.Get<ResponseKind>("response"), scales, width, name);
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        var answer = Module.call(Scales.Apply(rows)).contiguous().clone();
        NetworkLoss.Respond(HostMemory.Of<double>(answer), (int)OutputWidth, ResponseKind, Scales);
        return answer;
    }
}
