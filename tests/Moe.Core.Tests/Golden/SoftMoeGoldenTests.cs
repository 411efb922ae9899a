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
        var golden = GoldenCase.Read(folder);
        using var block = SoftMoeBlock.Build(golden);
        var mask = golden.Numbers.GetValueOrDefault("mask")?.to(ScalarType.Bool);

        var answer = block.Answer(mask, mask is null ? null : (tokens, ours) => SoftMoeBlock.WithTheirPadding(block.Layer, tokens, ours));

        answer.ShouldAgree();
        var logits = golden.Numbers["router_logits"].logsumexp(-1).reshape(answer.Routing.Logits.shape);
        var real = mask is null ? ones(1) : mask.reshape(-1, 1);
        Deviation.Of("router_logits", (answer.Routing.Logits * real).nan_to_num(), (logits * real).nan_to_num()).IsTooLarge.Should().BeFalse();
    }
}
