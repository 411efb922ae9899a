using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Every way of routing that the library has, each by itself, as contracts to be checked.</summary>
internal static class BuiltInRouters
{
    private static readonly RouterContractOptions Any = new();
    private static readonly RouterContractOptions Several = new() { MinimumExperts = 2 };
    private static readonly RouterContractOptions Even = new() { MinimumExperts = 2, ExpertMultiple = 2 };
    private static readonly RouterContractOptions Grouped = new() { MinimumExperts = 4, ExpertMultiple = 4 };
    private static readonly RouterContractOptions WithIds = new() { VocabularySize = 11 };
    private static readonly RouterContractOptions BySequence = new() { SequenceScope = true };

    private static readonly RouterContractOptions Constant = new()
    {
        WithoutGradient = new Dictionary<string, string> { ["weight"] = "A softmax over one logit is 1, whatever the logit." },
    };

    private static readonly ScoreFunction[] Scores = [ScoreFunction.Softmax, ScoreFunction.Sigmoid, ScoreFunction.SqrtSoftplus, ScoreFunction.Relu];

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyDictionary<string, BuiltInRouter> All { get; } =
        Published().Concat(BySteps()).Concat(ByCapacity()).Concat(Soft()).ToDictionary(router => router.Name);

    /// <summary>The gates that <see cref="PublishedGates"/> gives, as it names them.</summary>
    private static IEnumerable<BuiltInRouter> Published()
    {
        yield return Gate("Dense", PublishedGates.Dense);
        yield return Gate("Hierarchical", (d, e) => PublishedGates.Hierarchical(d, e, groups: 2), Even);
        yield return Gate("Shazeer", (d, e) => PublishedGates.Shazeer(d, e, Two(e)));
        yield return Gate("GShard", PublishedGates.GShard, Several);
        yield return Gate("Switch", PublishedGates.Switch);
        yield return Gate("VMoE", (d, e) => PublishedGates.VMoE(d, e, Two(e)));
        yield return Gate("Base", PublishedGates.Base);
        yield return Gate("Hash", (d, e) => PublishedGates.Hash(d, e, 11), WithIds);
        yield return Gate("Hash, top-2", (d, e) => PublishedGates.Hash(d, e, 11, Two(e)), WithIds);
        yield return Gate("XMoE", (d, e) => PublishedGates.XMoE(d, e));
        yield return Gate("Sinkhorn", (d, e) => PublishedGates.Sinkhorn(d, e));
        yield return Gate("Sinkhorn, top-2", (d, e) => PublishedGates.Sinkhorn(d, e, Two(e)));
        yield return Gate("ExpertChoice", (d, e) => PublishedGates.ExpertChoice(d, e, Two(e)));
        yield return Gate("Mixtral", (d, e) => PublishedGates.Mixtral(d, e, Two(e)));
        yield return Gate("Qwen", (d, e) => PublishedGates.Qwen(d, e, Two(e), renormalize: false));
        yield return Gate("Qwen, renormalised", (d, e) => PublishedGates.Qwen(d, e, Two(e), renormalize: true));
        yield return Gate("DeepSeekV2", (d, e) => PublishedGates.DeepSeekV2(d, e, topK: 2, groups: 2, keptGroups: 1, scalingFactor: 16), Grouped);
        yield return Gate("DeepSeekV3", (d, e) => PublishedGates.DeepSeekV3(d, e, Two(e), scalingFactor: 2.5));
        yield return Gate("DeepSeekV3, groups", (d, e) => PublishedGates.DeepSeekV3(d, e, topK: 2, groups: 2, keptGroups: 1), Grouped);
        yield return Gate("Llama4", (d, e) => PublishedGates.Llama4(d, e));
        yield return Gate("PhiMoE", PublishedGates.PhiMoE, Several with
        {
            WithoutGradient = new Dictionary<string, string> { ["weight"] = "Experts within 2% of the best are rare among few tokens; alone, its softmax is 1." },
        });
        yield return Gate("ReMoE", PublishedGates.ReMoE);
    }

    /// <summary>The options of each step.</summary>
    private static IEnumerable<BuiltInRouter> BySteps()
    {
        foreach (var score in Scores)
        {
            yield return Gate($"{score}", (d, e) => Options(d, e) with { Score = score, Softmax = SoftmaxOrder.BeforeSelection });
            yield return Gate($"{score}, over its sum", (d, e) => Options(d, e) with { Score = score, Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true });
            yield return Gate($"{score}, over its norm", (d, e) => Options(d, e) with { Score = score, Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true, NormPower = 2 });
        }
        yield return Gate("Top-1 after selection", (d, e) => Options(d, e) with { TopK = 1 }, Constant);
        yield return Gate("Bias", (d, e) => Options(d, e) with { Bias = true, Temperature = 0.7, ScalingFactor = 2 });
        yield return Gate("Selection bias", (d, e) => Options(d, e) with { SelectionBias = true, Softmax = SoftmaxOrder.BeforeSelection });
        yield return Gate("Cosine", (d, e) => Options(d, e) with { Projection = new CosineProjection { Width = 3 } });
        yield return Gate("Two levels", (d, e) => Options(d, e) with { Projection = new TwoLevelProjection { Groups = 2 }, Bias = true }, Even);

        yield return Gate("Jitter", (d, e) => Options(d, e) with { InputJitter = 0.1 });
        yield return Gate("Learned noise", (d, e) => Options(d, e) with { Noise = new LearnedNoise { Floor = 0.01 } });
        yield return Gate("Gaussian noise", (d, e) => Options(d, e) with { Noise = new GaussianNoise { Deviation = 0.5 }, Temperature = 2 });
        yield return Gate("Gumbel noise", (d, e) => Options(d, e) with { Noise = new GumbelNoise() });

        yield return Gate("Groups", (d, e) => Options(d, e) with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1, ScoresPerGroup = 1 } }, Grouped);
        yield return Gate("Stochastic", (d, e) => Options(d, e) with { Selection = new StochasticSelection { Threshold = 0.9 } });
        yield return Gate("Threshold", (d, e) => Options(d, e) with { Selection = new ThresholdSelection { Threshold = 0.3 }, Renormalize = true, Softmax = SoftmaxOrder.BeforeSelection });
        yield return Gate("Threshold, after selection", (d, e) => Options(d, e) with { Selection = new ThresholdSelection { Threshold = 0.25, AlwaysBest = false } });
        yield return Gate("Top-p", (d, e) => Options(d, e) with { TopK = e, Selection = new TopPSelection { Probability = 0.6 } });
        yield return Gate("Expert choice by sequence", (d, e) => PublishedGates.ExpertChoice(d, e, Two(e)) with { Selection = new ExpertChoiceSelection { Scope = TokenScope.Sequence } }, BySequence);
        yield return Gate("Expert choice by ReLU", (d, e) => PublishedGates.ExpertChoice(d, e, 1) with { Score = ScoreFunction.Relu });
        yield return Gate("SparseMixer, wide", (d, e) => Options(d, e) with { Selection = new SparseMixerSelection { Jitter = 1 } });
        yield return Gate("SparseMixer, all", (d, e) => Options(d, e) with { TopK = e, Selection = new SparseMixerSelection { Jitter = 1 } });
        yield return Gate("Sinkhorn with noise", (d, e) => PublishedGates.Sinkhorn(d, e) with { Noise = new GaussianNoise(), Selection = new SinkhornSelection { Iterations = 8 } });
        yield return Gate("Assignment with noise", (d, e) => PublishedGates.Base(d, e) with { Noise = new GumbelNoise() });

        yield return Gate("Weight on input", (d, e) => Options(d, e) with { WeightTarget = WeightTarget.Input });
        yield return Gate("Weight on output, gradient on input", (d, e) => Options(d, e) with { WeightTarget = WeightTarget.OutputWithInputGradient, Softmax = SoftmaxOrder.BeforeSelection });
        yield return Gate("Straight-through", (d, e) => Options(d, e) with { TopK = 1, StraightThrough = true });
        yield return Gate("Straight-through, before selection", (d, e) => Options(d, e) with { StraightThrough = true, Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true });
        yield return Gate("Null experts", (d, e) => Options(d, e) with { NullExperts = 1 }, Several with { WithoutGradient = Constant.WithoutGradient.ToDictionary() });
        yield return Gate("Null experts, before selection", (d, e) => Options(d, e) with { NullExperts = e / 2, Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true, SelectionBias = true }, Several);
        yield return Gate("Null experts, top-p", (d, e) => Options(d, e) with { TopK = e, NullExperts = 1, Selection = new TopPSelection(), Softmax = SoftmaxOrder.BeforeSelection }, Several);
        yield return Gate("Null experts, expert choice", (d, e) => PublishedGates.ExpertChoice(d, e) with { NullExperts = 1, Renormalize = true }, Several);
    }

    /// <summary>The options of capacity, tight enough to drop.</summary>
    private static IEnumerable<BuiltInRouter> ByCapacity()
    {
        foreach (var overflow in Enum.GetValues<Overflow>())
        {
            foreach (var scope in Enum.GetValues<TokenScope>())
            {
                foreach (var rounding in Enum.GetValues<CapacityRounding>())
                {
                    yield return Limited($"{overflow} by {scope}, {rounding}", new CapacityOptions
                    {
                        Factor = 1,
                        EvaluationFactor = 0.6,
                        Overflow = overflow,
                        Scope = scope,
                        Rounding = rounding,
                    });
                }
            }
        }
        var tight = new CapacityOptions { Factor = 0.5, EvaluationFactor = 0.5 };
        yield return Limited("Capacity, weights of the kept renormalised", tight with { RenormalizeKept = true });
        yield return Limited("Capacity, dropped tokens pass", tight with { Dropped = DroppedTokens.PassThrough });
        yield return Limited("Capacity, fixed", new CapacityOptions { Fixed = 2 });
        yield return Limited("Capacity, at least and multiples", tight with { Minimum = 1, MultipleOf = 3 });
        yield return Limited("Capacity, adaptive", new CapacityOptions { Factor = 0, EvaluationFactor = -0.5 });
        yield return Gate("Capacity, top-1", (d, e) => PublishedGates.Switch(d, e) with { Capacity = tight });
        yield return Gate("Capacity, some decline, dropped tokens pass", (d, e) => PublishedGates.ReMoE(d, e) with
        {
            Capacity = tight with { Overflow = Overflow.Position, Dropped = DroppedTokens.PassThrough, RenormalizeKept = true },
        });
        yield return Gate("Capacity, weight on input", (d, e) => Options(d, e) with { WeightTarget = WeightTarget.Input, Capacity = tight with { Overflow = Overflow.Position } });
    }

    private static IEnumerable<BuiltInRouter> Soft()
    {
        foreach (var normalization in Enum.GetValues<SlotNormalization>())
        {
            foreach (var slots in new[] { 1, 3 })
            {
                var options = new SoftRouterOptions { InputWidth = 6, ExpertCount = 8, SlotsPerExpert = slots, Normalization = normalization };
                yield return new BuiltInRouter($"Soft, {normalization}, {slots} slots", null, options, new RouterContract(
                    c => new SoftRouter(options with { InputWidth = c.InputWidth, ExpertCount = c.ExpertCount }, c.Generator, CPU, c.Type), BySequence));
            }
        }
    }

    private static BuiltInRouter Limited(string name, CapacityOptions capacity) =>
        Gate(name, (d, e) => Options(d, e) with { Capacity = capacity }, capacity.Scope == TokenScope.Sequence ? BySequence : Any);

    private static BuiltInRouter Gate(string name, Func<long, int, GatingOptions> options, RouterContractOptions? contract = null) =>
        new(name, options(6, 8), null, new RouterContract(c => Filled(new GatingNetwork(options(c.InputWidth, c.ExpertCount), c.Generator, CPU, c.Type), c.Generator), contract));

    private static GatingOptions Options(long inputWidth, int expertCount) => new() { InputWidth = inputWidth, ExpertCount = expertCount, TopK = Two(expertCount) };

    private static int Two(int expertCount) => Math.Min(2, expertCount);

    /// <summary>Biases and noise begin with zeros, which would hide what they do.</summary>
    private static GatingNetwork Filled(GatingNetwork gate, Generator generator)
    {
        using var noGrad = no_grad();
        foreach (var tensor in new[] { gate.Bias, gate.NoiseWeight, gate.SelectionBias }.OfType<Tensor>())
            tensor.uniform_(-0.3, 0.3, generator);
        return gate;
    }
}
