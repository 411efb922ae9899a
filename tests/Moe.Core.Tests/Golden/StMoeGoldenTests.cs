using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>ST-MoE, by st-moe-pytorch.</summary>
public sealed class StMoeGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Of(StMoeBlock.Kind);

    [Theory]
    [MemberData(nameof(Cases))]
    public void An_ST_MoE_layer_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read(folder);
        using var block = StMoeBlock.Build(golden);

        var answer = block.Answer();

        answer.ShouldAgree();
        var routing = answer.Routing;
        routing.Capacity.Should().Be(golden.Config.Number("expert_capacity"));

        // Theirs counts those that chance left out too.
        (routing.TokenCount * routing.TopK - routing.Load.Sum()).Should().Be(golden.Numbers["kept"].eq(0).sum().item<long>());
    }
}
