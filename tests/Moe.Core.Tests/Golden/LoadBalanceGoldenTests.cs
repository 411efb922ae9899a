using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The load balancing loss of the blocks' publisher, which is K at perfect balance.</summary>
public sealed class LoadBalanceGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Of(
        TransformerBlock.Kinds,
        folder => !GoldenCase.ConfigOf(folder).IsNarrow && GoldenCase.LossesOf(folder).Has("load_balancing_loss_masked"));

    [Theory]
    [MemberData(nameof(Cases))]
    public void K_times_the_balance_loss_is_the_loss_of_the_publisher(string folder)
    {
        using var scope = NewDisposeScope();
        var golden = GoldenCase.Read(folder);
        using var block = TransformerBlock.Build(golden);
        var mask = golden.Numbers["attention_mask"].to(ScalarType.Bool);

        foreach (var (name, real) in new[] { ("load_balancing_loss", null), ("load_balancing_loss_masked", mask) })
        {
            using var decision = block.Layer.Gate.Route(golden.Numbers["input"], real);
            var theirs = GoldenCase.LossesOf(folder).Real(name);
            (LoadBalance.Loss(decision) * decision.TopK).item<float>().Should().BeApproximately((float)theirs, (float)(1e-5 * Math.Max(1, theirs)), name);
        }
    }
}
