namespace Moe.Core.Tests;

/// <summary>Options are validated as a whole, and the message says everything that is wrong.</summary>
public sealed class GatingOptionsTests
{
    [Fact]
    public void Everything_wrong_with_gating_options_is_in_one_message()
    {
        var options = new GatingOptions
        {
            InputWidth = 0,
            ExpertCount = -1,
            TopK = 3,
            Softmax = (SoftmaxOrder)7,
            Temperature = double.NaN,
            Capacity = new() { Factor = double.NaN, EvaluationFactor = double.PositiveInfinity },
        };

        FluentActions.Invoking(() => new GatingNetwork(options)).Should().Throw<ArgumentException>().WithParameterName("options").Which.Message.Should().Be(
            "GatingOptions is not valid: InputWidth (0) must be at least 1. ExpertCount (-1) must be at least 1. "
            + "TopK (3) must lie between 1 and ExpertCount (-1). Temperature (NaN) must be positive and finite. "
            + "Softmax (7) must be AfterSelection or BeforeSelection. "
            + "Capacity.Factor (NaN) must be finite, or null. "
            + "Capacity.EvaluationFactor (Infinity) must be finite, or null. (Parameter 'options')");
    }

    [Theory]
    [InlineData(0, "TopK (0) must lie between 1 and ExpertCount (4).")]
    [InlineData(5, "TopK (5) must lie between 1 and ExpertCount (4).")]
    [InlineData(-1, "TopK (-1) must lie between 1 and ExpertCount (4).")]
    public void More_choices_than_experts_or_none_are_refused(int topK, string message) =>
        FluentActions.Invoking(() => new GatingNetwork(Make.Options(topK: topK))).Should().Throw<ArgumentException>()
            .WithMessage($"GatingOptions is not valid: {message} (Parameter 'options')");

    public static TheoryData<GatingOptions, string> Failures => new()
    {
        { Make.Options() with { Projection = null! }, "Projection (null) must be one." },
        { Make.Options() with { Score = null! }, "Score (null) must be a function." },
        { Make.Options() with { Selection = null! }, "Selection (null) must be a rule." },
        { Make.Options() with { InputJitter = -0.1 }, "InputJitter (-0.1) must lie between 0 and 1." },
        { Make.Options() with { InputJitter = 1.5 }, "InputJitter (1.5) must lie between 0 and 1." },
        { Make.Options() with { InputJitter = double.NaN }, "InputJitter (NaN) must lie between 0 and 1." },
        { Make.Options() with { NullExperts = 4 }, "NullExperts (4) must lie between 0 and ExpertCount (4) - 1." },
        { Make.Options() with { NullExperts = -1 }, "NullExperts (-1) must lie between 0 and ExpertCount (4) - 1." },
        { Make.Options() with { NormPower = 0.5, Renormalize = true }, "NormPower (0.5) must be 1 or more, and finite." },
        { Make.Options() with { NormEpsilon = -1 }, "NormEpsilon (-1) must be 0 or more, and finite." },
        { Make.Options() with { ScalingFactor = 0 }, "ScalingFactor (0) must be positive and finite." },
        { Make.Options() with { WeightTarget = (WeightTarget)9 }, "WeightTarget (9) must be Output, Input or OutputWithInputGradient." },
        { Make.Options() with { Projection = new CosineProjection { Width = 0, InitialTemperature = 0.001 }, Bias = true },
            "Projection.Width (0) must be at least 1. Projection.InitialTemperature (0.001) must be 0.01 or more, and finite. Bias (True) has no place beside a cosine." },
        { Make.Options() with { Projection = new TwoLevelProjection { Groups = 3 } }, "Projection.Groups (3) must divide ExpertCount (4)." },
        { Make.Options() with { Projection = new TwoLevelProjection { Groups = 0 } }, "Projection.Groups (0) must divide ExpertCount (4)." },
        { Make.Options() with { Noise = new LearnedNoise { Floor = -1 } }, "Noise.Floor (-1) must be 0 or more, and finite." },
        { Make.Options() with { Noise = new GaussianNoise { Deviation = 0 } }, "Noise.Deviation (0) must be positive and finite, or null." },
        { Make.Options() with { Noise = new GumbelNoise { Scale = double.NaN } }, "Noise.Scale (NaN) must be positive and finite." },
        { Make.Options() with { Selection = new StochasticSelection { Threshold = 0 } }, "Selection.Threshold (0) must be positive and finite." },
        { Make.Options() with { Selection = new ThresholdSelection { Threshold = double.NaN } }, "Selection.Threshold (NaN) must be finite." },
        { Make.Options() with { Selection = new TopPSelection { Probability = 0 }, Score = ScoreFunction.Sigmoid },
            "Selection.Probability (0) must be above 0 and at most 1. Score (Sigmoid) must sum to 1 for a choice by probability." },
        { Make.Options() with { Selection = new GroupLimitedSelection { Groups = 3, KeptGroups = 4, ScoresPerGroup = 2 } },
            "Selection.Groups (3) must divide ExpertCount (4). Selection.KeptGroups (4) must lie between 1 and Groups (3). "
            + "Selection.ScoresPerGroup (2) must lie between 1 and the experts of a group (1)." },
        { Make.Options(topK: 3) with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } },
            "TopK (3) must be at most the experts of the kept groups (1 · 2)." },
        { Make.Options() with { Selection = new TableSelection { VocabularySize = 0 }, SelectionBias = true },
            "Selection.VocabularySize (0) must be at least 1. SelectionBias (True) has no place beside a table, which looks at no scores." },
        { Make.Options() with { NormPower = 2 }, "NormPower (2) must be 1 without Renormalize, which it belongs to." },
        { Make.Options() with { WeightTarget = WeightTarget.Input, Capacity = new() { RenormalizeKept = true } },
            "Capacity.RenormalizeKept (True) has no place beside WeightTarget (Input): an expert asked about a larger input does not give a larger answer." },
        { Make.Options() with { Projection = new TwoLevelProjection { Groups = 2 }, Score = ScoreFunction.Relu }, "Score (Relu) is 0 for every logarithm of a probability." },
        { Make.Options() with { Selection = new ExpertChoiceSelection { Scope = (TokenScope)9 }, Capacity = new(), SelectionBias = true },
            "Selection.Scope (9) must be Batch or Sequence. "
            + "SelectionBias (True) has no place beside expert choice: the same for all tokens, it changes no expert's order of them. Capacity (given) has no place beside expert choice, which has its own. "
            + "Softmax (AfterSelection) must be BeforeSelection: experts choose by the scores that become weights." },
        { Make.Options() with { Selection = new SinkhornSelection { Iterations = 0 }, SelectionBias = true },
            "Selection.Iterations (0) must be at least 1. SelectionBias (True) has no place beside a balanced plan." },
        { Make.Options() with { Selection = new BalancedAssignmentSelection(), SelectionBias = true, Capacity = new() },
            "TopK (2) must be 1 for a balanced assignment. SelectionBias (True) has no place beside a balanced assignment. "
            + "Capacity (given) has no place beside a balanced assignment, which has its own." },
        { Make.Options() with
            {
                Selection = new SparseMixerSelection { Jitter = -1 }, Score = ScoreFunction.Relu, SelectionBias = true, Renormalize = true, StraightThrough = true, NullExperts = 1,
            },
            "Selection.Jitter (-1) must be 0 or more, and finite. Score (Relu) must be Softmax, which SparseMixer draws from. "
            + "SelectionBias (True) has no place in SparseMixer. Renormalize (True) has no place in SparseMixer, whose weights are its own. StraightThrough (True) has no place in SparseMixer, which has a gradient of its own. "
            + "NullExperts (1) have no place in SparseMixer, whose weights are its own." },
        { Make.Options() with { Capacity = new() { Fixed = 0, Factor = 1, Minimum = -1, MultipleOf = 0 } },
            "Capacity.Fixed (0) must be at least 1, or null. Capacity.Fixed (0) leaves no room for Factor (1) or EvaluationFactor (). "
            + "Capacity.Minimum (-1) must be 0 or more. Capacity.MultipleOf (0) must be at least 1." },
        { Make.Options() with
            {
                Capacity = new() { Rounding = (CapacityRounding)9, Scope = (TokenScope)9, Overflow = (Overflow)9, Dropped = (DroppedTokens)9 },
            },
            "Capacity.Rounding (9) must be Up, Down or Nearest. Capacity.Scope (9) must be Batch or Sequence. "
            + "Capacity.Overflow (9) must be ChoiceThenPosition, Position, Probability, BatchPrioritized or Random. Capacity.Dropped (9) must be Zero or PassThrough." },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void Each_failure_says_value_and_rule(GatingOptions options, string message) =>
        FluentActions.Invoking(() => new GatingNetwork(options)).Should().Throw<ArgumentException>().WithParameterName(nameof(options))
            .Which.Message.Should().Be($"GatingOptions is not valid: {message} (Parameter 'options')");

    [Fact]
    public void Everything_wrong_with_feed_forward_options_is_in_one_message() =>
        FluentActions.Invoking(() => new FeedForwardExpert(new() { InputWidth = 0, HiddenWidth = -2, OutputWidth = 0, Activation = null! }))
            .Should().Throw<ArgumentException>().Which.Message.Should().Be(
                "FeedForwardOptions is not valid: InputWidth (0) must be at least 1. HiddenWidth (-2) must be at least 1. "
                + "OutputWidth (0) must be at least 1, or null for InputWidth. Activation (null) must be a function. (Parameter 'options')");

    [Fact]
    public void Everything_wrong_with_gated_feed_forward_options_is_in_one_message() =>
        FluentActions.Invoking(() => StackedExperts.GatedFeedForward(2, new() { InputWidth = 0, HiddenWidth = 0, OutputWidth = -1, Activation = new("none", null!) }))
            .Should().Throw<ArgumentException>().Which.Message.Should().Be(
                "GatedFeedForwardOptions is not valid: InputWidth (0) must be at least 1. HiddenWidth (0) must be at least 1. "
                + "OutputWidth (-1) must be at least 1, or null for InputWidth. Activation (null) must be a function. (Parameter 'options')");

    [Fact]
    public void Defaults_are_as_documented()
    {
        var gating = new GatingOptions { InputWidth = 1, ExpertCount = 2 };
        gating.Should().Be(new GatingOptions
        {
            InputWidth = 1,
            ExpertCount = 2,
            TopK = 2,
            Softmax = SoftmaxOrder.AfterSelection,
            Renormalize = false,
            Bias = false,
            Noise = null,
            StraightThrough = false,
            Temperature = 1,
            Capacity = null,
            Projection = new LinearProjection(),
            Score = ScoreFunction.Softmax,
            InputJitter = 0,
            Selection = new TopKSelection(),
            SelectionBias = false,
            NullExperts = 0,
            NormPower = 1,
            NormEpsilon = 1e-20,
            ScalingFactor = 1,
            WeightTarget = WeightTarget.Output,
        });
        new FeedForwardOptions { InputWidth = 1, HiddenWidth = 2 }.Should().Be(
            new FeedForwardOptions { InputWidth = 1, HiddenWidth = 2, OutputWidth = null, Activation = Activation.Gelu, Bias = true });
        new GatedFeedForwardOptions { InputWidth = 1, HiddenWidth = 2 }.Should().Be(
            new GatedFeedForwardOptions { InputWidth = 1, HiddenWidth = 2, OutputWidth = null, Activation = Activation.Silu, Bias = false });
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(-1.0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_temperature_must_be_positive_and_finite(double value)
    {
        using var gate = Make.Gate(Make.Options() with { Temperature = 2 });

        gate.Invoking(g => g.Temperature = value).Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage($"Temperature ({value}) must be positive and finite.*");
        gate.Temperature.Should().Be(2);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_noise_scale_must_be_zero_or_more_and_finite(double value)
    {
        using var gate = Make.Gate(Make.Options());

        gate.Invoking(g => g.NoiseScale = value).Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage($"NoiseScale ({value}) must be 0 or more, and finite.*");
        gate.NoiseScale.Should().Be(1);
    }
}
