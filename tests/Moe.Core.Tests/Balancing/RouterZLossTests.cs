using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The mean of (log Σ exp z)².</summary>
public sealed class RouterZLossTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void It_is_the_mean_that_a_loop_gives_of_raw_logits(int topK, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { Bias = true, Noise = new GaussianNoise(), Temperature = 0.5 }, 5);
        var real = Enumerable.Range(0, 9).Where(token => !masked || token % 3 != 0).ToArray();
        using var decision = gate.Route(Make.Normal(6, 9, 4), masked ? tensor(Enumerable.Range(0, 9).Select(token => token % 3 != 0).ToArray()) : null);
        var logits = Compare.Doubles(decision.Logits);

        var expected = real.Average(token => Math.Pow(Math.Log(logits.Skip(token * 4).Take(4).Sum(Math.Exp)), 2));

        new RouterZLoss().ValueOf(decision).Should().BeApproximately(expected, 1e-12);
    }

    [Fact]
    public void Logits_of_0_give_the_square_of_ln_E_and_large_ones_overflow_nothing()
    {
        using var scope = NewDisposeScope();
        using var flat = new FixedRouter(zeros(3, 8, dtype: ScalarType.Float64));
        using var steep = new FixedRouter(full(3, 8, 500f));

        new RouterZLoss().ValueOf(flat.Decide()).Should().BeApproximately(Math.Pow(Math.Log(8), 2), 1e-12);
        new RouterZLoss().ValueOf(steep.Decide()).Should().BeApproximately(Math.Pow(500 + Math.Log(8), 2), 0.1);
    }
}
