using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Switch Transformers, by the code of Hugging Face.</summary>
public sealed class SwitchGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Of(SwitchBlock.Kind);

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_Switch_block_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read(folder);
        using var block = SwitchBlock.Build(golden);

        var answer = block.Answer();

        // Theirs writes a dropped token down as one of expert 0; ours says whom it wanted, and that it was dropped.
        answer.ShouldAgree();
        answer.Routing.Dropped.Should().Be(golden.Meta.Number("dropped_tokens"));
    }
}
