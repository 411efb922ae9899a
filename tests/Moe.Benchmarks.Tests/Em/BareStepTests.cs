using Moe.Benchmarks.Em;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Em;

public sealed class BareStepTests
{
    [Fact]
    public void Sums_what_the_normal_equations_hold()
    {
        using var scope = NewDisposeScope();
        var problem = DrawnProblem.Lines(50, 2);
        var (shares, y) = (problem.Start, problem.Data.Response.Values);

        // Σ r y + Σ r for each expert; Σ (g - ½) + Σ g (1 - g) for the gate.
        var g = shares.select(1, 1);
        var expected = y.sum() + 50 + (g - 0.5).sum() + (g * (1 - g)).sum();

        new BareStep(problem).Run().Should().BeApproximately(expected.item<double>(), 1e-9);
    }
}
