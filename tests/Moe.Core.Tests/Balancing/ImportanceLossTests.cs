using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>CV² of the experts' summed weights.</summary>
public sealed class ImportanceLossTests
{
    public static TheoryData<ImportanceSource, bool, int, bool, int> Every()
    {
        var data = new TheoryData<ImportanceSource, bool, int, bool, int>();
        foreach (var (source, unbiased, topK, masked, seed) in
            from source in Enum.GetValues<ImportanceSource>()
            from unbiased in new[] { false, true }
            from topK in new[] { 1, 2, 4 }
            from masked in new[] { false, true }
            from seed in new[] { 1, 2, 3 }
            select (source, unbiased, topK, masked, seed))
        {
            data.Add(source, unbiased, topK, masked, seed);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Every))]
    public void It_is_the_squared_variation_that_a_loop_gives(ImportanceSource source, bool unbiased, int topK, bool masked, int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { Noise = new GaussianNoise(), Temperature = 0.7, Capacity = new() { Factor = 0.8 } }, seed);
        using var noise = new Generator(9);
        gate.Generator = noise;
        var real = Enumerable.Range(0, 14).Select(token => !masked || token % 3 != 0).ToArray();
        using var decision = gate.Route(Make.Normal(seed + 5, 14, 4), masked ? tensor(real) : null);
        var (indices, weights, scores, logits) =
            (Compare.Longs(decision.Indices), Compare.Doubles(decision.Weights), Compare.Doubles(decision.Scores), Compare.Doubles(decision.Logits));

        var importance = new double[4];
        for (var t = 0; t < 14; t++)
        {
            for (var k = 0; k < topK && source == ImportanceSource.Weights; k++)
                importance[indices[t * topK + k]] += weights[t * topK + k];
            var exponentials = Enumerable.Range(0, 4).Select(e => Math.Exp(logits[t * 4 + e])).ToArray();
            for (var e = 0; e < 4 && source != ImportanceSource.Weights && real[t]; e++)
                importance[e] += source == ImportanceSource.Scores ? scores[t * 4 + e] : exponentials[e] / exponentials.Sum();
        }

        new ImportanceLoss(new() { Source = source, Unbiased = unbiased }).ValueOf(decision)
            .Should().BeApproximately(SquaredVariation(importance, unbiased), 1e-12).And.BePositive();
    }

    public static double SquaredVariation(double[] values, bool unbiased)
    {
        var mean = values.Average();
        return values.Sum(value => (value - mean) * (value - mean)) / (values.Length - (unbiased ? 1 : 0)) / (mean * mean + 1e-10);
    }

    /// <summary>A standard deviation under a root has an infinite slope here: vmoe's loss gave NaN.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void At_exact_balance_value_and_gradient_are_0_and_not_NaN(bool unbiased)
    {
        using var scope = NewDisposeScope();
        var logits = (eye(4, dtype: ScalarType.Float64) * 3).repeat(2, 1).requires_grad_();
        using var router = new FixedRouter(logits);
        var loss = new ImportanceLoss(new() { Unbiased = unbiased }).Of(router.Decide());
        loss.backward();

        loss.item<double>().Should().BeApproximately(0, 1e-15);
        Compare.Close(logits.grad!, zeros_like(logits).detach(), 1e-15);
    }

    [Theory]
    [InlineData(false, 3)]
    [InlineData(true, 4)]
    public void At_full_collapse_it_is_E_less_1_or_E_with_the_unbiased_variance(bool unbiased, double expected)
    {
        using var scope = NewDisposeScope();
        using var router = new FixedRouter(tensor(new double[] { 0, 90, 0, 0 }).expand(6, 4));

        new ImportanceLoss(new() { Unbiased = unbiased }).ValueOf(router.Decide()).Should().BeApproximately(expected, 1e-9);
    }

    [Fact]
    public void The_conventions_are_those_of_their_systems()
    {
        ImportanceOptions.FastMoe.Should().Be(new ImportanceOptions { Source = ImportanceSource.Weights, Unbiased = true });
        ImportanceOptions.VMoE.Should().Be(new ImportanceOptions { Source = ImportanceSource.CleanScores, Unbiased = false });
        FluentActions.Invoking(() => new ImportanceLoss(new() { Source = (ImportanceSource)7 })).Should().Throw<ArgumentException>()
            .WithMessage("ImportanceOptions is not valid: Source (7) must be Weights, Scores or CleanScores.*");
    }
}
