using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Noisy top-k gating, by davidmrau/mixture-of-experts, in evaluation and while training with the noise that was drawn there.</summary>
public sealed class DavidmrauGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Of(DavidmrauBlock.Kind);

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_davidmrau_layer_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        using var block = DavidmrauBlock.Build(GoldenCase.Read(folder));

        block.Answer().ShouldAgree();
    }
}
