using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Soft MoE, by soft-moe-pytorch.</summary>
public sealed class SoftMoeGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Of(SoftMoeBlock.Kind);

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_Soft_MoE_layer_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        ShouldAgree(GoldenCase.Read(folder));
    }

    [Fact]
    public void The_formula_written_out_gives_the_numbers_of_the_authors()
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read("soft_moe");

        var output = SoftMoeFormula.Output(golden, golden.Numbers["input"], golden.Weights, mask: null, out var logits);

        Deviation.Of("output", output, golden.Numbers["output"]).IsTooLarge.Should().BeFalse();
        Deviation.Of("router_logits", logits, golden.Numbers["router_logits"]).IsTooLarge.Should().BeFalse();
    }

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, false, true)]
    [InlineData(false, true, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    [InlineData(true, true, true)]
    public void With_other_experts_and_norms_and_with_padding_a_Soft_MoE_layer_gives_the_numbers_of_the_formula(bool geglu, bool layerNorm, bool padded)
    {
        using var scope = NewDisposeScope();
        ShouldAgree(SoftMoeFormula.Case(geglu, layerNorm, padded ? Make.Mask(1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1).reshape(2, 6) : null));
    }

    /// <summary>Padding gets 0 from us and something from them, which counts in their gradients: compared with theirs in its place, values of real tokens apart.</summary>
    private static void ShouldAgree(GoldenCase golden)
    {
        using var block = SoftMoeBlock.Build(golden);
        var mask = golden.Numbers.GetValueOrDefault("mask")?.to(ScalarType.Bool);

        var answer = block.Answer(mask, mask is null ? null : (tokens, ours) => SoftMoeBlock.WithTheirPadding(block.Layer, tokens, ours));

        answer.ShouldAgree();
        var real = mask is null ? ones(1) : mask.reshape(-1, 1);
        var logits = golden.Numbers["router_logits"].logsumexp(-1).reshape(answer.Routing.Logits.shape);
        Deviation.Of("router_logits", answer.Routing.Logits * real, logits * real).IsTooLarge.Should().BeFalse();
    }
}
