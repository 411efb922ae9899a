using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What may stand in the place of act(gate) ⊙ up.</summary>
public sealed class GatedUnitTests
{
    [Fact]
    public void The_unit_of_gpt_oss_is_bounded_above_in_the_gate_and_on_both_sides_in_up()
    {
        using var scope = NewDisposeScope();
        var gate = tensor(new[] { 9.0, 7.0, 0.5, -9.0, 2.0, 2.0 });
        var up = tensor(new[] { 0.5, 0.5, 0.5, 0.5, 8.0, -8.0 });

        var hidden = GatedUnit.GptOss.Combine(gate, up);

        double Gate(double g) => g / (1 + Math.Exp(-1.702 * g));
        double[] expected = [Gate(7) * 1.5, Gate(7) * 1.5, Gate(0.5) * 1.5, Gate(-9) * 1.5, Gate(2) * 8, Gate(2) * -6];
        Compare.Close(hidden, tensor(expected), 1e-14);
    }

    [Fact]
    public void What_is_beyond_a_bound_learns_nothing()
    {
        using var scope = NewDisposeScope();
        var gate = tensor(new[] { 9.0, 7.0, 0.5, -9.0, 2.0, 2.0 }, requires_grad: true);
        var up = tensor(new[] { 0.5, 0.5, 0.5, 0.5, 8.0, -8.0 }, requires_grad: true);

        GatedUnit.GptOss.Combine(gate, up).sum().backward();

        Compare.Doubles(gate.grad!).Select(slope => slope == 0).Should().Equal(true, false, false, false, false, false);
        Compare.Doubles(up.grad!).Select(slope => slope == 0).Should().Equal(false, false, false, false, true, true);
    }

    [Fact]
    public void Its_gradient_is_the_slope_of_its_values()
    {
        using var scope = NewDisposeScope();
        var unit = new ClampedSwiGlu { Limit = 1.5, Slope = 1.3, Offset = 0.4 };
        var (gate, up) = ((Make.Normal(1, 40) * 2).requires_grad_(), (Make.Normal(2, 40) * 2).requires_grad_());
        unit.Combine(gate, up).sum().backward();

        using var noGrad = no_grad();
        Compare.Close(gate.grad!, (unit.Combine(gate + 1e-6, up) - unit.Combine(gate - 1e-6, up)) / 2e-6, 1e-8);
        Compare.Close(up.grad!, (unit.Combine(gate, up + 1e-6) - unit.Combine(gate, up - 1e-6)) / 2e-6, 1e-8);
    }

    [Fact]
    public void Without_bound_slope_and_offset_it_is_SwiGLU()
    {
        using var scope = NewDisposeScope();
        var options = new GatedFeedForwardOptions { InputWidth = 4, HiddenWidth = 6, Bias = true };
        var unit = new ClampedSwiGlu { Limit = double.PositiveInfinity, Slope = 1, Offset = 0 };
        using var plain = Make.Filled(new GatedFeedForwardExpert(options, dtype: ScalarType.Float64), 1);
        using var other = Make.Filled(new GatedFeedForwardExpert(options with { Unit = unit }, dtype: ScalarType.Float64), 1);
        var x = Make.Normal(2, 5, 4);

        Compare.Close(other.forward(x), plain.forward(x), 1e-14);
    }

    [Fact]
    public void Experts_with_equal_units_are_stacked_and_those_with_others_are_not()
    {
        using var scope = NewDisposeScope();
        var singles = Units().Select((unit, seed) => Make.Filled(Expert(unit), seed)).ToArray();
        var copies = Units().Select((unit, seed) => Make.Filled(Expert(unit), seed)).ToArray();
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 4), dtype: ScalarType.Float64), singles);
        var x = Make.Normal(1, 5, 4);

        layer.Experts.Select(expert => expert is GatedFeedForwardExpert).Should().Equal(false, false, true, true);
        for (var e = 0; e < 4; e++)
            Compare.SameBits(layer.Experts[e].forward(x), copies[e].forward(x));

        GatedUnit?[] Units() => [GatedUnit.GptOss, new ClampedSwiGlu(), new ClampedSwiGlu { Limit = 3 }, null];
    }

    [Fact]
    public void A_unit_of_ones_own_takes_its_place()
    {
        using var scope = NewDisposeScope();
        using var expert = Make.Filled(Expert(new Difference()), 1);
        var x = Make.Normal(2, 5, 4);
        var both = x.matmul(expert.get_parameter("gate_up_weight")!.t()).chunk(2, 1);

        Compare.Close(expert.forward(x), (both[0] - both[1]).matmul(expert.get_parameter("down_weight")!.t()), 1e-13);
    }

    [Fact]
    public void Everything_wrong_with_a_unit_is_in_one_message() =>
        FluentActions.Invoking(() => Expert(new ClampedSwiGlu { Limit = 0, Slope = -1, Offset = double.NaN })).Should().Throw<ArgumentException>()
            .Which.Message.Should().Be(
                "GatedFeedForwardOptions is not valid: Unit.Limit (0) must be positive. Unit.Slope (-1) must be positive and finite. "
                + "Unit.Offset (NaN) must be finite. (Parameter 'options')");

    [Fact]
    public void It_leaves_nothing_alive()
    {
        using var gate = Make.Normal(1, 5, 6);
        using var up = Make.Normal(2, 5, 6);

        LiveTensors.After(() => GatedUnit.GptOss.Combine(gate, up).Dispose()).Should().Be(0);
    }

    private static GatedFeedForwardExpert Expert(GatedUnit? unit) =>
        new(new() { InputWidth = 4, HiddenWidth = 6, Unit = unit }, dtype: ScalarType.Float64);

    private sealed record Difference : GatedUnit
    {
        public override Tensor Combine(Tensor gate, Tensor up) => gate - up;
    }
}
