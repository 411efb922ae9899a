using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class FittedMixtureTests
{
    public static TheoryData<ExpertLaw> Laws => [.. ExpertContract.Laws];

    [Theory]
    [MemberData(nameof(Laws))]
    public void A_mixture_keeps_the_laws_of_experts(ExpertLaw law) =>
        new ExpertContract(() => Three(), ScalarType.Float64).Check(law);

    [Fact]
    public void All_experts_at_top_k_are_all_and_fewer_share_the_weights_anew()
    {
        using var scope = NewDisposeScope();
        var (mixture, rows) = (Three(), Draws.TwoLines(50, 1).Inputs);
        Difference(mixture.WithTopK(3).forward(rows), mixture.forward(rows)).Should().Be(0);
        mixture.EvaluationsPerPrediction.Should().Be(3);
        var two = mixture.WithTopK(2);
        two.EvaluationsPerPrediction.Should().Be(2);
        var gates = HostMemory.Of<double>(mixture.Gates(rows)).ToArray();
        var few = HostMemory.Of<double>(two.Gates(rows)).ToArray();
        for (var row = 0; row < 50; row++)
        {
            var kept = gates.AsSpan(row * 3, 3).ToArray();
            kept[Array.IndexOf(kept, kept.Min())] = 0;
            for (var expert = 0; expert < 3; expert++)
                few[(row * 3) + expert].Should().BeApproximately(kept[expert] / kept.Sum(), 1e-12);
        }
        var expected = (two.Gates(rows).unsqueeze(2) * mixture.PredictEach(rows)).sum(1);
        Difference(two.forward(rows), expected).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void At_top_1_an_expert_is_asked_only_for_its_rows()
    {
        using var scope = NewDisposeScope();
        var asked = 0L;
        MixtureComponent Counting(string name) => new(name, new DelegateExpert(1, 1, input =>
        {
            asked += input.size(0);
            return input.clone();
        }), new GaussianNoise(1));
        using var coefficients = tensor(new double[] { 0, 0, 0, 3 }, [2, 2]);
        var mixture = new FittedMixture([Counting("a"), Counting("b")], new SoftmaxGate(coefficients), null, ResponseKind.Real).WithTopK(1);
        mixture.forward(Draws.TwoLines(40, 2).Inputs);
        asked.Should().Be(40);
    }

    [Fact]
    public void What_is_stored_is_read_back()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(60, 3);
        MixtureMember[] members = [new("a", new LinearLearner()) { Noise = new StudentNoiseFamily() }, new("b", new LinearLearner()) { Columns = [0], Noise = new LaplaceNoiseFamily() }];
        foreach (var gate in new IGateLearner[] { new SoftmaxGateLearner(), new ConstantGateLearner() })
        {
            var mixture = new MixtureLearner(members, new EmOptions { Restarts = 2, MaxIterations = 20 }, gate).Fit(data);
            using var state = mixture.ToState();
            var read = (FittedMixture)StoredExperts.Read(state);
            Difference(read.forward(data.Inputs), mixture.forward(data.Inputs)).Should().BeLessThan(1e-12);
            Difference(read.LogDensity(data.Inputs, data.Response), mixture.LogDensity(data.Inputs, data.Response)).Should().BeLessThan(1e-12);
            read.Components.Select(component => component.Name).Should().Equal(mixture.Components.Select(component => component.Name));
            read.DegreesOfFreedom.Should().Be(mixture.DegreesOfFreedom);
        }
    }

    [Fact]
    public void An_expert_that_cannot_be_stored_is_named()
    {
        using var scope = NewDisposeScope();
        var mixture = new FittedMixture([new MixtureComponent("rule", new DelegateExpert(1, 1, input => input.clone()), new GaussianNoise(1))], new ConstantGate([1], 1), null, ResponseKind.Real);
        mixture.Invoking(it => it.ToState()).Should().Throw<NotSupportedException>().WithMessage("Expert \"rule\"*IStoredExpert*");
    }

    [Fact]
    public void Intervals_hold_about_their_level_of_new_responses()
    {
        using var scope = NewDisposeScope();
        foreach (var (learner, data, test) in new (IExpertLearner, FitData, FitData)[]
        {
            (new LinearLearner(), Draws.TwoLines(400, 4), Draws.TwoLines(1000, 5)),
            (new GlmLearner(GlmFamily.Poisson), Draws.TwoCounts(400, 4), Draws.TwoCounts(1000, 5)),
        })
        {
            var mixture = MixtureLearner.Alike(2, learner).Fit(data);
            var (lower, upper) = mixture.Interval(test.Inputs, 0.9);
            var share = (test.Response.Values.ge(lower) & test.Response.Values.le(upper)).to(ScalarType.Float64).mean().item<double>();
            share.Should().BeInRange(0.88, test.Response.Kind == ResponseKind.Count ? 0.99 : 0.92);
        }
    }

    [Fact]
    public void Quantiles_are_where_the_cumulative_probability_is()
    {
        using var scope = NewDisposeScope();
        var rows = Draws.TwoLines(20, 6).Inputs;
        foreach (var probability in new[] { 0.001, 0.3, 0.5, 0.99 })
        {
            var (mixture, quantile) = (Three(), Three().Quantile(rows, probability));
            Difference(mixture.Cumulative(rows, quantile), full_like(quantile, probability)).Should().BeLessThan(1e-9);
        }
        var counts = MixtureLearner.Alike(2, new GlmLearner(GlmFamily.Poisson)).Fit(Draws.TwoCounts(100, 7));
        var most = counts.Quantile(rows, 0.8);
        counts.Cumulative(rows, most).min().item<double>().Should().BeGreaterThanOrEqualTo(0.8);
        counts.Cumulative(rows, most - 1).max().item<double>().Should().BeLessThan(0.8);
    }

    [Fact]
    public void Quantiles_of_rare_counts_are_whole_numbers()
    {
        using var scope = NewDisposeScope();
        var rare = new FittedMixture(
            [new MixtureComponent("rare", new DelegateExpert(1, 1, rows => full_like(rows, 0.25)), new PoissonNoise())], new ConstantGate([1.0], 1), null, ResponseKind.Count);

        rare.Quantile(zeros(1, 1, dtype: ScalarType.Float64), 0.975).item<double>().Should().Be(2, "P(y ≤ 1) is 0.9735 and P(y ≤ 2) is 0.9978");
    }

    [Fact]
    public void A_mixture_inside_a_mixture_keeps_its_own_distribution()
    {
        using var scope = NewDisposeScope();
        var rows = Draws.TwoLines(20, 6).Inputs;
        var inner = Three();
        var outer = new FittedMixture([new MixtureComponent("all", inner, null)], new ConstantGate([1.0], inner.InputWidth), null, ResponseKind.Real);

        foreach (var probability in new[] { 0.05, 0.5, 0.9 })
            Difference(outer.Quantile(rows, probability), inner.Quantile(rows, probability)).Should().BeLessThan(1e-9);
        Difference(outer.Variance(rows), inner.Variance(rows)).Should().BeLessThan(1e-9);
    }

    [Fact]
    public void The_variance_is_that_of_drawn_responses()
    {
        using var scope = NewDisposeScope();
        var (mixture, row) = (Three(), full(1, 1, 0.3, dtype: ScalarType.Float64));
        var drawn = mixture.Sample(row.expand(4_000, 1), seed: 1).Values;
        drawn.mean().item<double>().Should().BeApproximately(mixture.forward(row).item<double>(), 0.1);
        drawn.var().item<double>().Should().BeApproximately(mixture.Variance(row).item<double>(), 0.1 * mixture.Variance(row).item<double>());
    }

    [Fact]
    public void A_row_that_no_expert_makes_possible_goes_by_the_gate()
    {
        using var scope = NewDisposeScope();
        var far = Response.Real(full(1, 1e200, dtype: ScalarType.Float64));
        var row = full(1, 1, 0.4, dtype: ScalarType.Float64);
        var parts = Three().Components.Select(component => new MixtureComponent(component.Name, component.Expert, new GaussianNoise(1)));
        var mixture = new FittedMixture([.. parts], Three().Gate, null, ResponseKind.Real);
        mixture.LogDensity(row, far).item<double>().Should().Be(double.NegativeInfinity);
        Difference(mixture.Responsibilities(row, far), mixture.Gates(row)).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Parts_that_do_not_fit_together_are_refused()
    {
        using var scope = NewDisposeScope();
        var part = Three().Components[0];
        var twice = () => new FittedMixture([part, part], new ConstantGate([1, 1], 1), null, ResponseKind.Real);
        twice.Should().Throw<ArgumentException>().WithMessage("More than one expert is called \"a\".*");
        var many = () => new FittedMixture([part], new ConstantGate([1, 1], 1), null, ResponseKind.Real);
        many.Should().Throw<ArgumentException>().WithMessage("Expected a gate for 1 experts, got one for 2.*");
    }

    private static FittedMixture Three()
    {
        using var scope = NewDisposeScope();
        MixtureComponent Line(string name, double intercept, double slope, NoiseModel noise) =>
            new(name, new DelegateExpert(1, 1, input => input.mul(slope).add(intercept)), noise);
        using var coefficients = tensor(new[] { 0, 0, 0.5, 1, -0.2, -2 }, [3, 2]);
        return new FittedMixture(
            [Line("a", 0, 1, new GaussianNoise(0.5)), Line("b", 2, -1, new LaplaceNoise(0.4)), Line("c", -1, 3, new StudentNoise(0.3, 8))],
            new SoftmaxGate(coefficients),
            null,
            ResponseKind.Real);
    }

    private static double Difference(Tensor left, Tensor right) => (left - right).abs().max().item<double>();
}
