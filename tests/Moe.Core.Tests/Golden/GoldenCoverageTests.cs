namespace Moe.Core.Tests;

/// <summary>No case lies there unread.</summary>
public sealed class GoldenCoverageTests
{
    [Fact]
    public void Every_case_is_of_a_kind_that_some_test_runs()
    {
        string[] kinds =
        [
            .. TransformerBlock.Kinds, SwitchBlock.Kind, StMoeBlock.Kind, SoftMoeBlock.Kind, DavidmrauBlock.Kind, FastMoeGoldenTests.Kind,

            // Logits and losses, no router and no block.
            "aux_loss_only",
        ];

        var cases = GoldenCase.Folders().Select(folder => (folder, kind: GoldenCase.ConfigOf(folder).ModelType)).ToArray();

        cases.Should().HaveCountGreaterThanOrEqualTo(16).And.OnlyContain(golden => kinds.Contains(golden.kind));
    }
}
