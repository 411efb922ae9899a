using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>One law tried on one router under one case.</summary>
internal sealed class RouterTrial(
    string law, Action<RouterTrial> run, Func<RouterContractCase, Router> make, RouterContractOptions options, int expertCount, ScalarType type, ulong seed)
    : Trial(law)
{
    private string _last = "";

    public RouterContractOptions Options => options;

    public int ExpertCount => expertCount;

    public ScalarType Type => type;

    /// <summary>How far numbers may be apart that were computed in another order.</summary>
    public double Tolerance => type == ScalarType.Float64 ? 1e-10 : 1e-5;

    protected override string Conditions => $"E = {expertCount}, {type}, seed {seed}{_last}";

    public override void Run() => run(this);

    /// <summary>A router of this case, or of the same with another seed.</summary>
    public Router NewRouter(ulong another = 0)
    {
        var router = make(new RouterContractCase(options.InputWidth, expertCount, type, seed + another, Random(seed + another)))
            ?? throw new InvalidOperationException("The factory made null.");
        Owned(router);
        return router.InputWidth == options.InputWidth && router.ExpertCount == expertCount
            ? router
            : throw new InvalidOperationException(
                $"The factory was asked for D = {options.InputWidth} and E = {expertCount}, but made a router with {router.InputWidth} and {router.ExpertCount}.");
    }

    /// <summary>A layer of linear experts around a router; it owns the router.</summary>
    public MixtureOfExperts Layer(Router router)
    {
        var answering = expertCount - router.NullExpertCount;
        var experts = Enumerable.Range(0, answering)
            .Select(index => (IExpert)new LinearExpert(options.InputWidth, options.InputWidth, generator: Random(1000 + (ulong)index), device: CPU, dtype: type))
            .Concat(Enumerable.Range(0, router.NullExpertCount).Select(_ => new ZeroExpert(options.InputWidth, options.InputWidth)));
        return Owned(new MixtureOfExperts(router, experts));
    }

    /// <summary>Tokens from a normal distribution, in the type of the case, with ids where the router wants them.</summary>
    public TokenBatch Batch(params long[] leading)
    {
        var count = leading.Aggregate(1L, (product, size) => product * size);
        var ids = options.VocabularySize is { } size ? (arange(count, dtype: ScalarType.Int64, device: CPU) * 7 + 3).remainder(size).reshape(leading) : null;
        return new TokenBatch(Normal(seed + 100, type, [.. leading, options.InputWidth]), ids, mask: null);
    }

    /// <summary>Routes with draws that begin anew each time.</summary>
    public RoutingDecision Route(Router router, TokenBatch batch, bool training)
    {
        Prepare(router, batch, training);
        var decision = router.Route(batch.Tokens, batch.Context);
        _last += $", K = {decision.TopK}";
        return decision;
    }

    /// <summary>As <see cref="Route"/>, read into numbers.</summary>
    public DecisionInNumbers Numbers(Router router, TokenBatch batch, bool training) => DecisionInNumbers.From(Route(router, batch, training));

    /// <summary>A layer's answer, with draws that begin anew each time.</summary>
    public MixtureOutput Answer(MixtureOfExperts layer, TokenBatch batch, bool training)
    {
        layer.train(training);
        Prepare(layer.Gate, batch, training);
        return layer.ForwardWithRouting(batch.Tokens, batch.Context);
    }

    /// <summary>Sends a random gradient back from a tensor; none where the router needs none.</summary>
    public void SendBack(nn.Module module, Tensor tensor)
    {
        module.zero_grad();
        if (tensor.requires_grad)
            (tensor * Normal(99, tensor.dtype, tensor.shape)).sum().backward();
    }

    /// <summary>Notes gradients that are NaN or infinite.</summary>
    public void RequireFiniteGradients(Router router, string of)
    {
        foreach (var (name, parameter) in router.named_parameters())
            Require(parameter.grad is not { } gradient || HostValues.Of(gradient).All(double.IsFinite), $"the gradient of {of} for {name} is not finite");
    }

    /// <summary>Sets mode and generator, and remembers the conditions.</summary>
    public void Prepare(Router router, TokenBatch batch, bool training)
    {
        router.train(training);
        router.Generator = Random(seed + 200);
        _last = $", tokens [{string.Join(", ", batch.Tokens.shape)}] of {batch.Tokens.dtype}{(batch.Mask is null ? "" : " with padding")}, {(training ? "training" : "evaluation")}";
    }
}
