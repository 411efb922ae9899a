using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gradients of a layer's answers are slopes too, for the router, the experts and the tokens.</summary>
public sealed class LayerGradientTests
{
    private static readonly GatingOptions Gate = Make.Options(experts: 3, topK: 2, width: 3) with { Softmax = SoftmaxOrder.BeforeSelection };
    private static readonly CapacityOptions Tight = new() { Factor = 0.6, EvaluationFactor = 0.6 };

    private static readonly Dictionary<string, Func<MixtureOfExperts>> Layers = new()
    {
        ["weight on output"] = () => Layer(new GatingNetwork(Gate, dtype: ScalarType.Float64)),
        ["weight on input"] = () => Layer(new GatingNetwork(Gate with { WeightTarget = WeightTarget.Input }, dtype: ScalarType.Float64)),
        ["dense"] = () => Layer(new GatingNetwork(PublishedGates.Dense(3, 3), dtype: ScalarType.Float64)),
        ["ReLU"] = () => Layer(new GatingNetwork(PublishedGates.ReMoE(3, 3), dtype: ScalarType.Float64)),
        ["capacity, weights of the kept renormalised"] = () =>
            Layer(new GatingNetwork(Gate with { Capacity = Tight with { RenormalizeKept = true } }, dtype: ScalarType.Float64)),
        ["capacity, dropped tokens pass"] = () =>
            Layer(new GatingNetwork(Gate with { TopK = 1, Capacity = Tight with { Dropped = DroppedTokens.PassThrough } }, dtype: ScalarType.Float64)),
        ["soft"] = () => Layer(new SoftRouter(new() { InputWidth = 3, ExpertCount = 3 }, dtype: ScalarType.Float64)),
        ["shared expert"] = () => Layer(new GatingNetwork(Gate, dtype: ScalarType.Float64), new LinearExpert(3, 3, dtype: ScalarType.Float64)),
        ["shared expert with a gate of its own"] = () =>
            Layer(new GatingNetwork(Gate, dtype: ScalarType.Float64), new SelfGatedExpert(new LinearExpert(3, 3, dtype: ScalarType.Float64), dtype: ScalarType.Float64)),
        ["mixture as an expert"] = () => new MixtureOfExperts(
            new GatingNetwork(Gate with { ExpertCount = 2 }, dtype: ScalarType.Float64),
            [new LinearExpert(3, 3, dtype: ScalarType.Float64), Layer(new GatingNetwork(Gate, dtype: ScalarType.Float64))]),
    };

    public static TheoryData<string> Names { get; } = [.. Layers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_slopes(string name)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Filled(Layers[name](), seed: 3);
        var x = Make.Normal(5, 2, 3, 3).requires_grad_();
        var mask = Make.Mask(1, 1, 1, 1, 1, 0).reshape(2, 3);
        var direction = Make.Normal(6, 2, 3, 3);

        GradCheck.Verify(
            () => (layer.ForwardWithRouting(x, mask).Output * direction).sum(),
            [.. layer.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)), ("x", x)],
            choices: () =>
            {
                using var pass = new RoutingPass(mask);
                layer.forward(x, pass);
                return cat([.. pass.Layers.SelectMany(routed => new[] { routed.Decision.Indices.reshape(-1), routed.Decision.Kept.reshape(-1).to(ScalarType.Int64) })]);
            });
    }

    [Fact]
    public void A_self_gated_expert()
    {
        using var scope = NewDisposeScope();
        using var expert = Make.Filled(new SelfGatedExpert(new FeedForwardExpert(new() { InputWidth = 3, HiddenWidth = 4 }, dtype: ScalarType.Float64), dtype: ScalarType.Float64), seed: 1);
        var x = Make.Normal(2, 4, 3).requires_grad_();

        GradCheck.Verify(() => expert.forward(x).square().sum(), [.. expert.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)), ("x", x)]);
    }

    private static MixtureOfExperts Layer(Router router, params IExpert[] shared) => new(
        router,
        [new LinearExpert(3, 3, dtype: ScalarType.Float64), new LinearExpert(3, 3, dtype: ScalarType.Float64), new GatedFeedForwardExpert(new() { InputWidth = 3, HiddenWidth = 2 }, dtype: ScalarType.Float64)],
        shared);
}
