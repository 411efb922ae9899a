using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Everything that a gate can be given wrong, and what it says.</summary>
public sealed class GatingArgumentTests
{
    [Fact]
    public void All_options_that_are_wrong_are_named_in_one_message()
    {
        var options = new GatingOptions
        {
            InputWidth = 0,
            ExpertCount = 0,
            TopK = 0,
            Softmax = (SoftmaxOrder)7,
            Temperature = 0,
            CapacityFactor = -1,
            EvaluationCapacityFactor = double.NaN,
        };

        FluentActions.Invoking(() => new GatingNetwork(options)).Should().Throw<ArgumentException>().WithParameterName("options").WithMessage(
            "GatingOptions is not valid: InputWidth (0) must be at least 1. ExpertCount (0) must be at least 1. "
            + "TopK (0) must lie between 1 and ExpertCount (0). Softmax (7) must be AfterSelection or BeforeSelection. "
            + "Temperature (0) must be positive and finite. CapacityFactor (-1) must be positive and finite, or null. "
            + "EvaluationCapacityFactor (NaN) must be positive and finite, or null. (Parameter 'options')");
    }

    public static TheoryData<GatingOptions, string> Wrong()
    {
        var good = Make.Options();
        return new()
        {
            { good with { TopK = 5 }, "TopK (5) must lie between 1 and ExpertCount (4)." },
            { good with { TopK = 0 }, "TopK (0) must lie between 1 and ExpertCount (4)." },
            { good with { TopK = -1 }, "TopK (-1) must lie between 1 and ExpertCount (4)." },
            { good with { InputWidth = -2 }, "InputWidth (-2) must be at least 1." },
            { good with { Temperature = -0.5 }, "Temperature (-0.5) must be positive and finite." },
            { good with { Temperature = double.NaN }, "Temperature (NaN) must be positive and finite." },
            { good with { Temperature = double.PositiveInfinity }, "Temperature (Infinity) must be positive and finite." },
            { good with { CapacityFactor = 0 }, "CapacityFactor (0) must be positive and finite, or null." },
            { good with { CapacityFactor = double.PositiveInfinity }, "CapacityFactor (Infinity) must be positive and finite, or null." },
            { good with { EvaluationCapacityFactor = 0 }, "EvaluationCapacityFactor (0) must be positive and finite, or null." },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void An_option_that_is_wrong_alone_is_named_alone(GatingOptions options, string failure) =>
        FluentActions.Invoking(() => new GatingNetwork(options)).Should().Throw<ArgumentException>()
            .WithMessage($"GatingOptions is not valid: {failure} (Parameter 'options')");

    [Fact]
    public void Options_of_experts_are_checked_as_a_whole_too()
    {
        var plain = new FeedForwardOptions { InputWidth = 0, HiddenWidth = -1, OutputWidth = 0, Activation = null! };
        var gated = new GatedFeedForwardOptions { InputWidth = 0, HiddenWidth = -1, OutputWidth = 0, Activation = new("none", null!) };
        const string Failures = "InputWidth (0) must be at least 1. HiddenWidth (-1) must be at least 1. "
            + "OutputWidth (0) must be at least 1, or null for InputWidth. Activation (null) must be a function. (Parameter 'options')";

        FluentActions.Invoking(() => new FeedForwardExpert(plain)).Should().Throw<ArgumentException>().WithMessage($"FeedForwardOptions is not valid: {Failures}");
        FluentActions.Invoking(() => StackedExperts.FeedForward(2, plain)).Should().Throw<ArgumentException>().WithMessage($"FeedForwardOptions is not valid: {Failures}");
        FluentActions.Invoking(() => new GatedFeedForwardExpert(gated)).Should().Throw<ArgumentException>().WithMessage($"GatedFeedForwardOptions is not valid: {Failures}");
        FluentActions.Invoking(() => StackedExperts.GatedFeedForward(2, gated)).Should().Throw<ArgumentException>().WithMessage($"GatedFeedForwardOptions is not valid: {Failures}");
    }

    [Fact]
    public void A_gate_without_options_is_refused() =>
        FluentActions.Invoking(() => new GatingNetwork(null!)).Should().Throw<ArgumentNullException>().WithParameterName("options");

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Schedules_cannot_set_what_makes_no_sense(double value)
    {
        using var gate = new GatingNetwork(Make.Options());

        gate.Invoking(g => g.Temperature = value).Should().Throw<ArgumentOutOfRangeException>().WithMessage("Temperature (*) must be positive and finite.*");
        gate.Temperature.Should().Be(1);
        if (value == 0)
        {
            gate.NoiseScale = value;
            gate.NoiseScale.Should().Be(0);
            return;
        }
        gate.Invoking(g => g.NoiseScale = value).Should().Throw<ArgumentOutOfRangeException>().WithMessage("NoiseScale (*) must be 0 or more, and finite.*");
        gate.NoiseScale.Should().Be(1);
    }

    [Fact]
    public void Tokens_of_a_wrong_shape_type_or_state_are_refused_and_the_gate_works_on()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var x = Make.Normal(1, 3, 4);
        using var before = gate.Route(x);
        var gone = Make.Normal(1, 3, 4);
        gone.Dispose();

        gate.Invoking(g => g.Route(null!)).Should().Throw<ArgumentNullException>().WithParameterName("input");
        gate.Invoking(g => g.Route(gone)).Should().Throw<ObjectDisposedException>().WithMessage("The tensor given as input has been disposed.*");
        gate.Invoking(g => g.Route(Make.Normal(1, 3, 5))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [3, 5].*").WithParameterName("input");
        gate.Invoking(g => g.Route(tensor(1.0))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [].*");
        gate.Invoking(g => g.Route(ones(3, 4, dtype: ScalarType.Int32))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input of type Float32, Float64, BFloat16 or Float16, got Int32.*");
        gate.Invoking(g => g.Route(zeros(0, 4, dtype: ScalarType.Float64))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input with at least 1 token, got shape [0, 4], which has none.*");
        gate.Invoking(g => g.Route(zeros(2, 0, 4, dtype: ScalarType.Float64))).Should().Throw<ArgumentException>().WithMessage("*got shape [2, 0, 4], which has none.*");
        gate.Invoking(g => g.Route(zeros(3, 4, dtype: ScalarType.Float64, device: META))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input on device cpu, where the gate is, got meta*");

        using var after = gate.forward(x);
        Compare.SameBits(after.Weights, before.Weights);
    }

    [Fact]
    public void A_mask_of_a_wrong_shape_type_or_state_is_refused()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var x = Make.Normal(1, 2, 3, 4);
        var gone = ones(2, 3, dtype: ScalarType.Bool);
        gone.Dispose();

        gate.Invoking(g => g.Route(x, gone)).Should().Throw<ObjectDisposedException>();
        gate.Invoking(g => g.Route(x, ones(2, 3))).Should().Throw<ArgumentException>()
            .WithMessage("Expected mask of type Bool (true = a real token), got Float32.*").WithParameterName("mask");
        gate.Invoking(g => g.Route(x, ones(6, dtype: ScalarType.Bool))).Should().Throw<ArgumentException>().WithMessage("Expected mask of shape [2, 3], got [6].*");
        gate.Invoking(g => g.Route(x, ones(2, 3, 4, dtype: ScalarType.Bool))).Should().Throw<ArgumentException>().WithMessage("Expected mask of shape [2, 3], got [2, 3, 4].*");
        gate.Invoking(g => g.Route(x, ones(2, 3, dtype: ScalarType.Bool, device: META))).Should().Throw<ArgumentException>()
            .WithMessage("Expected mask on device cpu, where the input is, got meta*");
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void Logits_that_are_not_finite_are_counted_and_the_gate_is_named(double value)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var x = Make.Normal(1, 3, 4);
        x[1][2].fill_(value);

        var thrown = gate.Invoking(g => g.Route(x)).Should().Throw<NonFiniteRoutingException>()
            .WithMessage("The gate's logits must be finite, but 4 of 3 × 4 (tokens × experts) are NaN or infinite.*").Which;
        thrown.Gate.Should().BeSameAs(gate);
        gate.Route(Make.Normal(1, 3, 4)).TokenCount.Should().Be(3);
    }

    [Fact]
    public void A_temperature_that_overflows_finite_logits_is_found()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Temperature = 1e-300 });

        gate.Invoking(g => g.Route(Make.Normal(1, 3, 4) * 1e20)).Should().Throw<NonFiniteRoutingException>();
    }

    [Fact]
    public void A_disposed_gate_says_so()
    {
        using var x = Make.Normal(1, 3, 4);
        var gate = new GatingNetwork(Make.Options());
        gate.Dispose();
        gate.Dispose();

        gate.Invoking(g => g.Route(x)).Should().Throw<ObjectDisposedException>();
        gate.Invoking(g => g.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void The_exception_has_the_usual_constructors()
    {
        var cause = new InvalidOperationException();

        new NonFiniteRoutingException().Message.Should().Be("The gate's logits must be finite.");
        new NonFiniteRoutingException("mine").Message.Should().Be("mine");
        new NonFiniteRoutingException("mine", cause).InnerException.Should().BeSameAs(cause);
        new NonFiniteRoutingException("mine").Gate.Should().BeNull();
    }
}
