using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gradients of weights, scores and logits are the slopes of what routers compute, for every parameter and for the tokens.</summary>
public sealed class RouterGradientTests
{
    private const int Tokens = 5;

    private static readonly GatingOptions Plain = Make.Options(experts: 4, topK: 2, width: 3);
    private static readonly GatingOptions Before = Plain with { Softmax = SoftmaxOrder.BeforeSelection };
    private static readonly CapacityOptions Tight = new() { Factor = 0.6, EvaluationFactor = 0.6 };

    /// <summary>What is differentiable, by name; in training mode where it draws.</summary>
    private static readonly Dictionary<string, GatingOptions> Gates = new()
    {
        ["softmax after selection"] = Plain,
        ["softmax before selection"] = Before,
        ["softmax over its sum"] = Before with { Renormalize = true },
        ["softmax over its norm"] = Before with { Renormalize = true, NormPower = 2 },
        ["softmax over its cubic norm"] = Before with { Renormalize = true, NormPower = 3, NormEpsilon = 0.1 },
        ["sigmoid"] = Plain with { Score = ScoreFunction.Sigmoid },
        ["sigmoid over its sum"] = Plain with { Score = ScoreFunction.Sigmoid, Renormalize = true },
        ["sigmoid over its norm"] = Plain with { Score = ScoreFunction.Sigmoid, Renormalize = true, NormPower = 2 },
        ["root of softplus"] = Plain with { Score = ScoreFunction.SqrtSoftplus },
        ["root of softplus over its sum"] = Plain with { Score = ScoreFunction.SqrtSoftplus, Renormalize = true },
        ["root of softplus over its norm"] = Plain with { Score = ScoreFunction.SqrtSoftplus, Renormalize = true, NormPower = 2 },
        ["ReLU"] = PublishedGates.ReMoE(3, 4),
        ["ReLU over its sum"] = PublishedGates.ReMoE(3, 4) with { Renormalize = true, NormEpsilon = 0.01 },
        ["dense"] = PublishedGates.Dense(3, 4),
        ["bias, temperature, factor"] = Plain with { Bias = true, Temperature = 0.6, ScalingFactor = 2.5 },
        ["cosine"] = Before with { Projection = new CosineProjection { Width = 3 } },
        ["two levels"] = Before with { Projection = new TwoLevelProjection { Groups = 2 }, Bias = true },
        ["groups"] = Before with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } },
        ["threshold"] = Before with { TopK = 4, Selection = new ThresholdSelection { Threshold = 0.25 }, Renormalize = true },
        ["threshold, after selection"] = Plain with { TopK = 4, Selection = new ThresholdSelection { Threshold = 0.25 } },
        ["top-p"] = Plain with { TopK = 4, Selection = new TopPSelection { Probability = 0.6 } },
        ["expert choice"] = PublishedGates.ExpertChoice(3, 4),
        ["null experts"] = Before with { NullExperts = 1, Renormalize = true },
        ["selection bias"] = PublishedGates.DeepSeekV3(3, 4, 2, scalingFactor: 2.5),
        ["capacity"] = Plain with { Capacity = Tight },
        ["capacity, weights of the kept renormalised"] = Before with { Capacity = Tight with { RenormalizeKept = true, Overflow = Overflow.Position } },
        ["hash"] = PublishedGates.Hash(3, 4, vocabularySize: Tokens, topK: 2),
        ["SparseMixer in evaluation"] = Plain with { Selection = new SparseMixerSelection { Jitter = 1 } },
    };

    /// <summary>What draws while training, and is differentiable once the draws are fixed.</summary>
    private static readonly Dictionary<string, GatingOptions> Drawing = new()
    {
        ["learned noise"] = Before with { Noise = new LearnedNoise { Floor = 0.1 } },
        ["learned noise after selection"] = Plain with { Noise = new LearnedNoise(), Temperature = 0.7 },
        ["Gaussian noise"] = Plain with { Noise = new GaussianNoise() },
        ["Gumbel noise"] = Before with { Noise = new GumbelNoise { Scale = 0.3 } },
        ["jitter"] = Before with { InputJitter = 0.2 },
        ["second expert by chance"] = Before with { Selection = new StochasticSelection(), Renormalize = true },
        ["balanced assignment"] = PublishedGates.Base(3, 4),
        ["Sinkhorn"] = PublishedGates.Sinkhorn(3, 4, topK: 2),
    };

    public static TheoryData<string> GateNames { get; } = [.. Gates.Keys];

    public static TheoryData<string> DrawingNames { get; } = [.. Drawing.Keys];

    public static TheoryData<SlotNormalization, int> Slots()
    {
        var slots = new TheoryData<SlotNormalization, int>();
        foreach (var normalization in Enum.GetValues<SlotNormalization>())
        {
            slots.Add(normalization, 1);
            slots.Add(normalization, 2);
        }
        return slots;
    }

    [Theory]
    [MemberData(nameof(GateNames))]
    public void A_gate_without_draws(string name) => Verify(Make.Gate(Gates[name]), training: false);

    [Theory]
    [MemberData(nameof(DrawingNames))]
    public void A_gate_with_fixed_draws(string name) => Verify(Make.Gate(Drawing[name]), training: true);

    [Theory]
    [MemberData(nameof(Slots))]
    public void A_soft_router(SlotNormalization normalization, int slots)
    {
        using var scope = NewDisposeScope();
        using var router = Make.Filled(
            new SoftRouter(new() { InputWidth = 3, ExpertCount = 2, SlotsPerExpert = slots, Normalization = normalization }, dtype: ScalarType.Float64), seed: 1);
        var x = Make.Normal(2, 2, 3, 3).requires_grad_();
        var mask = Make.Mask(1, 1, 1, 1, 0, 1).reshape(2, 3);

        GradCheck.Verify(
            () =>
            {
                var decision = router.Route(x, mask);
                return Sum(decision.Weights, 10) + Sum(decision.Scores, 11) + Sum(decision.Logits, 12) + Sum(decision.Slots!.Dispatch, 13) + Sum(decision.Slots.Combine, 14);
            },
            [.. Leaves(router), ("x", x)]);
    }

    /// <summary>Weights, scores, logits and the noise's deviation, each in a random direction.</summary>
    private static void Verify(GatingNetwork gate, bool training)
    {
        using var scope = NewDisposeScope();
        using var owned = gate;
        gate.train(training);
        var x = Make.Normal(2, Tokens, 3).requires_grad_();
        var context = new RoutingContext { TokenIds = arange(Tokens, dtype: ScalarType.Int64) };

        GradCheck.Verify(
            () =>
            {
                var decision = Route();
                var loss = Sum(decision.Weights, 10) + Sum(decision.Scores, 11) + Sum(decision.PerturbedLogits, 12);
                return decision.NoiseDeviation is { requires_grad: true } deviation ? loss + Sum(deviation, 13) : loss;
            },
            [.. Leaves(gate), ("x", x)],
            choices: () =>
            {
                var decision = Route();
                return cat([decision.Indices, decision.Kept.to(ScalarType.Int64), decision.Scores.gt(0).to(ScalarType.Int64)], 1);
            });

        RoutingDecision Route()
        {
            using var generator = new Generator(7);
            gate.Generator = generator;
            return gate.Route(x, context);
        }
    }

    private static Tensor Sum(Tensor tensor, int seed) => (tensor * Make.Normal(seed, tensor.shape)).sum();

    private static IEnumerable<(string Name, Tensor Leaf)> Leaves(nn.Module module) =>
        module.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter));
}
