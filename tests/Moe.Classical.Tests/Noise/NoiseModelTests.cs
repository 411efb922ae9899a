using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class NoiseModelTests
{
    public static TheoryData<string> Real => ["gaussian", "laplace", "student", "student-free"];

    [Theory]
    [MemberData(nameof(Real))]
    public void The_density_is_the_slope_of_the_cumulative_probability(string name)
    {
        using var scope = NewDisposeScope();
        var noise = Fitted(name);
        var values = linspace(-3, 5, 41, dtype: ScalarType.Float64);
        var mean = full(41, 1, 0.7, dtype: ScalarType.Float64);
        var slope = (noise.Cumulative(mean, values + 1e-5, null) - noise.Cumulative(mean, values - 1e-5, null)) / 2e-5;
        (slope - noise.LogDensity(mean, Response.Real(values)).exp()).abs().max().item<double>().Should().BeLessThan(1e-6);
    }

    [Theory]
    [MemberData(nameof(Real))]
    public void A_fit_is_the_most_likely_and_weights_are_rows(string name)
    {
        using var scope = NewDisposeScope();
        var random = new Random(1);
        var y = tensor(Enumerable.Range(0, 200).Select(_ => Draws.Normal(random) / Math.Sqrt(random.NextDouble() + 0.05)).ToArray());
        var mean = zeros(200, 1, dtype: ScalarType.Float64);
        var noise = Family(name).Fit(mean, Response.Real(y), null, 1e-6);
        double Likelihood(NoiseModel model) => model.LogDensity(mean, Response.Real(y)).sum().item<double>();
        foreach (var factor in new[] { 0.97, 1.03 })
        {
            NoiseModel other = noise switch
            {
                GaussianNoise it => new GaussianNoise(it.Sigma * factor),
                LaplaceNoise it => new LaplaceNoise(it.Scale * factor),
                _ => new StudentNoise(((StudentNoise)noise).Scale * factor, ((StudentNoise)noise).Freedom),
            };
            Likelihood(other).Should().BeLessThan(Likelihood(noise));
        }
        var halves = Family(name).Fit(mean, Response.Real(y), full(200, 0.5, dtype: ScalarType.Float64), 1e-6);
        Likelihood(halves).Should().BeApproximately(Likelihood(noise), 1e-6);
    }

    [Fact]
    public void Cumulative_probabilities_of_counts_and_successes_are_sums()
    {
        using var scope = NewDisposeScope();
        var (poisson, binomial) = (new PoissonNoise(), new BinomialNoise());
        foreach (var mean in new[] { 0.3, 4.0, 60.0 })
        {
            var sum = 0.0;
            for (var count = 0; count < 80; count++)
            {
                sum += poisson.LogDensity(Column(mean), Response.Count(Number(count))).exp().item<double>();
                poisson.Cumulative(Column(mean), Number(count), null).item<double>().Should().BeApproximately(sum, 1e-11);
            }
        }
        foreach (var probability in new[] { 0.02, 0.5, 0.9 })
        {
            var sum = 0.0;
            for (var won = 0; won <= 15; won++)
            {
                sum += binomial.LogDensity(Column(probability), Response.Binomial(Number(won), Number(15))).exp().item<double>();
                binomial.Cumulative(Column(probability), Number(won), Number(15)).item<double>().Should().BeApproximately(sum, 1e-11);
            }
            sum.Should().BeApproximately(1, 1e-11);
        }
    }

    [Fact]
    public void An_over_confident_classifier_is_warmed()
    {
        using var scope = NewDisposeScope();
        var random = new Random(2);
        var labels = Enumerable.Range(0, 300).Select(row => random.NextDouble() < 0.7 ? 0.0 : 1).ToArray();
        var sure = tensor(new[] { 0.99, 0.01 }).expand(300, 2).contiguous();
        var noise = (CategoricalNoise)new CategoricalNoiseFamily(calibrate: true).Fit(sure, Response.Class(tensor(labels), 2), null, 0);
        noise.Temperature.Should().BeGreaterThan(2);
        noise.Probabilities(sure)[0, 0].item<double>().Should().BeApproximately(labels.Count(label => label == 0) / 300.0, 1e-4);
        noise.DegreesOfFreedom.Should().Be(1);
    }

    [Fact]
    public void A_class_of_probability_0_is_unlikely_and_not_impossible()
    {
        using var scope = NewDisposeScope();
        var log = new CategoricalNoise().LogDensity(tensor(new double[] { 1, 0 }, [1, 2]), Response.Class(Number(1), 2)).item<double>();
        log.Should().BeApproximately(Math.Log(1e-6), 1e-5);
    }

    [Fact]
    public void What_is_stored_is_read_back()
    {
        foreach (var noise in new NoiseModel[] { new GaussianNoise(0.2), new LaplaceNoise(3), new StudentNoise(0.5, 7, true), new PoissonNoise(1e-3), new BinomialNoise(1e-4), new CategoricalNoise(2, 1e-3, true) })
        {
            using var state = noise.ToState();
            var read = StoredNoises.Read(state);
            read.GetType().Should().Be(noise.GetType());
            read.Should().BeEquivalentTo(noise);
        }
    }

    private static NoiseFamily Family(string name) => name switch
    {
        "gaussian" => new GaussianNoiseFamily(),
        "laplace" => new LaplaceNoiseFamily(),
        "student" => new StudentNoiseFamily(),
        _ => new StudentNoiseFamily(null),
    };

    private static NoiseModel Fitted(string name)
    {
        var random = new Random(3);
        using var y = tensor(Enumerable.Range(0, 50).Select(_ => Draws.Normal(random)).ToArray());
        using var mean = zeros(50, 1, dtype: ScalarType.Float64);
        return Family(name).Fit(mean, Response.Real(y), null, 1e-6);
    }

    private static Tensor Column(double value) => full(1, 1, value, dtype: ScalarType.Float64);

    private static Tensor Number(double value) => full(1, value, dtype: ScalarType.Float64);
}
