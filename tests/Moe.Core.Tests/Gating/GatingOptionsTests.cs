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
