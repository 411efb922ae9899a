using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Which tokens a layer hands through when experts are full.</summary>
public sealed class PassThroughTests
{
    [Fact]
    public void Padding_that_holds_NaN_does_not_pass_through()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(Make.Options(experts: 2, topK: 1));
        var mask = Make.Mask(1, 1, 0, 1, 1, 1, 0, 1);
        var x = Make.Normal(1, 8, 4).masked_fill(mask.bitwise_not().unsqueeze(-1), double.NaN);

        using var answer = layer.ForwardWithRouting(x, mask);

        answer.Routing.Dropped.Should().BePositive();
        Compare.Doubles(answer.Output.index_select(0, tensor(new long[] { 2, 6 }))).Should().OnlyContain(value => value == 0);
        Compare.Doubles(answer.Output).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void A_token_that_wants_no_expert_gets_0_whatever_becomes_of_others()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(PublishedGates.ReMoE(4, 2));
        using (no_grad())
            layer.Network.Weight.copy_(ones_like(layer.Network.Weight));

        // The first token's scores are 0; the others want both experts, which have one place each.
        var x = cat([-ones(1, 4, dtype: ScalarType.Float64), ones(3, 4, dtype: ScalarType.Float64)]);
        using var answer = layer.ForwardWithRouting(x);

        answer.Routing.Dropped.Should().Be(4);
        Compare.Doubles(answer.Output[0]).Should().OnlyContain(value => value == 0);
        Compare.SameBits(answer.Output.narrow(0, 2, 2), x.narrow(0, 2, 2));
    }

    private static MixtureOfExperts Layer(GatingOptions options) =>
        Make.Layer(options with { Capacity = new() { Fixed = 1, Dropped = DroppedTokens.PassThrough } });
}
