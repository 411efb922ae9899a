using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Whom an expert takes among tokens that it scores the same.</summary>
public sealed class ExpertChoiceTieTests
{
    [Fact]
    public void Of_equal_tokens_the_earlier_ones_are_taken_with_and_without_padding()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.ExpertChoice(4, 3, topK: 1));
        var token = Make.Normal(1, 1, 4);

        using var alone = gate.Route(token.expand(6, 4));
        using var padded = gate.Route(token.expand(9, 4), Make.Mask(1, 1, 0, 1, 0, 1, 1, 0, 1));

        Compare.Bools(alone.Kept.any(1)).Should().Equal(true, true, false, false, false, false);
        Compare.Bools(padded.Kept.any(1)).Should().Equal(true, true, false, false, false, false, false, false, false);
    }
}
