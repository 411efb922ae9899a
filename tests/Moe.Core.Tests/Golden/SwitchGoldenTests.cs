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
        Compare.Longs(answer.Routing.Indices).Should().Equal(Compare.Longs(golden.Numbers["router_logits"].argmax(-1).flatten()));
        answer.Routing.Dropped.Should().Be(golden.Numbers["dropped"].sum().item<long>());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void With_fewer_places_the_tokens_of_a_sequence_that_come_too_late_get_0_and_the_others_what_they_had(int places)
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read("switch_transformers");
        using var block = SwitchBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { Fixed = places } });
        var (output, chosen) = (golden.Numbers["output"].clone(), golden.Numbers["selected_experts"]);
        var late = 0;
        for (var sequence = 0; sequence < output.size(0); sequence++)
        {
            var taken = new int[golden.Config.Number("num_experts")];
            for (var token = 0; token < output.size(1); token++)
            {
                if (++taken[chosen[sequence, token].item<long>()] <= places)
                    continue;
                output[sequence, token] = zeros(output.size(2));
                late++;
            }
        }

        var answer = block.Answer();

        Deviation.Of("output", answer.Output, output).IsTooLarge.Should().BeFalse();
        answer.Routing.Dropped.Should().Be(late).And.BePositive();
    }
}
