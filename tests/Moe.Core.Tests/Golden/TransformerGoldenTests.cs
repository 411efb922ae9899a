using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Mixtral, Qwen2-MoE, Qwen3-MoE, OLMoE, Granite, DeepSeek-V3, gpt-oss, PhiMoE: values, gradients and choices of their authors' own code.</summary>
public sealed class TransformerGoldenTests
{
    public static TheoryData<string> Float32Cases => Cases(isNarrow: false);

    public static TheoryData<string> BFloat16Cases => Cases(isNarrow: true);

    [Theory]
    [MemberData(nameof(Float32Cases))]
    public void A_published_block_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        using var block = TransformerBlock.Build(GoldenCase.Read(folder));

        block.Answer().ShouldAgree();
    }

    [Theory]
    [MemberData(nameof(BFloat16Cases))]
    public void In_BFloat16_a_published_block_is_as_close_to_Float32_as_its_authors_are(string folder)
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read(folder);
        using var block = TransformerBlock.Build(golden).To(ScalarType.BFloat16);
        var io = golden.Numbers;

        var answer = block.Answer();

        answer.Output.dtype.Should().Be(ScalarType.BFloat16);
        Compare.Distance(answer.Output, io["output_f32"]).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(io["output"], io["output_f32"]));
        Compare.Distance(answer.InputGradient, io["grad_input_f32"]).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(io["grad_input"], io["grad_input_f32"]));
        answer.Wrong().Should().NotContain("selected_experts", "who is chosen does not depend on the type here");
    }

    private static TheoryData<string> Cases(bool isNarrow) =>
        GoldenCase.Of(TransformerBlock.Kinds, folder => GoldenCase.ConfigOf(folder).IsNarrow == isNarrow);
}
