using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class GatedExpertsLearnerTests
{
    [Fact]
    public void All_settings_out_of_range_are_named_at_once()
    {
        var act = () => new GatedExpertsLearner(Halves(), new GatedExpertsOptions { Loss = (GatedLoss)7, Ridge = -1, Ridges = [], Folds = 1, FitsAtOnce = 0, Prices = [double.NaN], NoiseFloor = 0, MaxSteps = 0 });
        var message = act.Should().Throw<ArgumentException>().Which.Message;
        foreach (var name in new[] { "Loss is 7", "Ridge is -1", "Ridges", "Folds is 1", "FitsAtOnce is 0", "Prices", "NoiseFloor is 0", "MaxSteps is 0" })
            message.Should().Contain(name);
    }

    [Fact]
    public void What_does_not_go_together_is_refused()
    {
        var data = Vee(40);
        var cost = new GatedExpertsOptions { Loss = GatedLoss.ExpectedCost };
        Refused(() => new GatedExpertsLearner(Halves(), cost, new ConstantGateLearner()), "wants Loss to be MixtureLikelihood");
        Refused(() => new GatedExpertsLearner(Halves(), cost with { Prices = [1] }), "Expected 2 Prices");
        Refused(() => new GatedExpertsLearner(Halves(), new GatedExpertsOptions { Prices = [1, 2] }), "Prices want Loss");
        Refused(() => new GatedExpertsLearner(Halves()).Fit(data, costs: zeros(40, 2)), "Costs want Loss");
        Refused(() => new GatedExpertsLearner(Halves(), cost).Fit(data, costs: zeros(40, 3)), "shape [n, 2]");
        Refused(() => new GatedExpertsLearner(Halves(), cost).Fit(data, costs: zeros(39, 2)), "shape [40, 2]");
        Refused(() => new GatedExpertsLearner(Halves()).Fit(data, outOfFold: new Dictionary<string, Tensor> { ["nobody"] = zeros(40, 1) }), "no member \"nobody\"");
        Refused(() => new GatedExpertsLearner(Halves()).Fit(data, outOfFold: new Dictionary<string, Tensor> { ["falls"] = zeros(41, 1) }), "shape [40, 1]");
        Refused(() => new GatedExpertsLearner(Halves(), gateColumns: [1]).Fit(data), "columns from 0 to 0");
        Refused(() => new GatedExpertsLearner(Halves(), new GatedExpertsOptions { GivenFolds = Folds.Random(10, 2) }).Fit(data), "GivenFolds of 40 rows");
        Refused(() => new GatedExpertsLearner(Halves()).Fit(Vee(4)), "5 folds cannot be made of 4 rows");
        Refused(() => new GatedExpertsLearner([new MixtureMember("memory", new MemoryLearner())]).Fit(new FitData(zeros(9, 1), Response.Class(zeros(9), 2))), "does not take responses of kind Class");

        static void Refused(Func<object> act, string why) => act.Should().Throw<ArgumentException>().WithMessage($"*{why}*");
    }

    [Theory]
    [InlineData(GatedLoss.MixtureLikelihood)]
    [InlineData(GatedLoss.BlendedError)]
    [InlineData(GatedLoss.ExpectedCost)]
    public void Each_loss_finds_where_each_expert_is_right(GatedLoss loss)
    {
        var fit = new GatedExpertsLearner(Halves(), new GatedExpertsOptions { Loss = loss }).Fit(Vee(200));
        var gates = fit.Mixture.Gates(tensor(new[] { -0.5, 0.5 }).reshape(2, 1));
        gates[0, 0].item<double>().Should().BeGreaterThan(0.95);
        gates[1, 1].item<double>().Should().BeGreaterThan(0.95);
        fit.Report.CrossValidatedLoss.Should().BeLessThan(fit.Report.ExpertLosses.Min()).And.BeLessThan(fit.Report.AverageLoss);
        fit.Report.Ridges.Should().HaveCount(9).And.Contain(score => score.Ridge == fit.Report.Ridge && score.Loss == fit.Report.CrossValidatedLoss);
        fit.Report.Ridges.Min(score => score.Loss).Should().Be(fit.Report.CrossValidatedLoss);
        fit.Report.Trace.Should().BeInDescendingOrder();
        fit.Report.MeanGates.Sum().Should().BeApproximately(1, 1e-12);
    }

    [Fact]
    public void The_likelihood_gate_is_the_one_that_EM_finds()
    {
        var data = Vee(120, noise: 0.7);
        var direct = new GatedExpertsLearner(Halves(), new GatedExpertsOptions { Ridge = 0.02, MaxSteps = 2000 }).Fit(data);
        var em = new GatedExpertsLearner(Halves(), new GatedExpertsOptions { MaxSteps = 2000 }, new SoftmaxGateLearner(new SoftmaxGateOptions { Ridge = 0.02 })).Fit(data);
        (direct.Mixture.Gates(data.Inputs) - em.Mixture.Gates(data.Inputs)).abs().max().item<double>().Should().BeLessThan(0.01);
        em.Report.Ridge.Should().BeNull();
        em.Report.Ridges.Should().BeEmpty();
        em.Report.Trace.Should().BeInDescendingOrder();
    }

    [Fact]
    public void Of_equal_experts_the_cheap_one_is_asked()
    {
        var members = new[] { Fixed("dear", x => x), Fixed("cheap", x => x) };
        var data = new FitData(linspace(-1, 1, 50).reshape(50, 1), Response.Real(linspace(-1, 1, 50)));
        var options = new GatedExpertsOptions { Loss = GatedLoss.ExpectedCost };
        new GatedExpertsLearner(members, options with { Prices = [0.2, 0.1] }).Fit(data).Report.MeanGates[1].Should().BeGreaterThan(0.99);
        new GatedExpertsLearner(members, options).Fit(data).Report.MeanGates[1].Should().BeApproximately(0.5, 1e-6);
    }

    [Fact]
    public void A_dear_expert_is_asked_only_where_it_is_worth_its_price()
    {
        // Both are right on the left; on the right the free one errs by 1.
        var members = new[] { Fixed("free", x => x.clamp_max(0)), Fixed("dear", x => x) };
        var inputs = linspace(-1, 1, 200).reshape(200, 1);
        var data = new FitData(inputs, Response.Real(inputs));
        var fit = new GatedExpertsLearner(members, new GatedExpertsOptions { Loss = GatedLoss.ExpectedCost, Prices = [0, 0.1] }).Fit(data);
        fit.Mixture.Route(tensor(new[] { -0.5, 0.1, 0.9 }).reshape(3, 1)).data<long>().ToArray().Should().Equal(0, 0, 1);
    }

    [Fact]
    public void Costs_that_are_given_are_the_costs()
    {
        var data = Vee(100);
        var costs = cat([data.Inputs, data.Inputs.neg()], 1) * 1000 + 5000;
        var fit = new GatedExpertsLearner(Halves(), new GatedExpertsOptions { Loss = GatedLoss.ExpectedCost }).Fit(data, costs: costs);
        fit.Mixture.Route(tensor(new[] { -0.5, 0.5 }).reshape(2, 1)).data<long>().ToArray().Should().Equal(0, 1);
        fit.Report.AverageLoss.Should().BeApproximately(5000, 1e-6);
    }

    [Fact]
    public void Experts_with_opposite_errors_are_blended_by_the_blended_error()
    {
        var inputs = linspace(-1, 1, 60).reshape(60, 1);
        var members = new[] { Fixed("above", x => x + 1), Fixed("below", x => x - 3) };
        var fit = new GatedExpertsLearner(members, new GatedExpertsOptions { Loss = GatedLoss.BlendedError, Ridge = 0.01 }).Fit(new FitData(inputs, Response.Real(inputs)));
        fit.Report.CrossValidatedLoss.Should().BeLessThan(1e-4);
        fit.Report.MeanGates[0].Should().BeApproximately(0.75, 1e-2);
    }

    [Fact]
    public void A_fixed_expert_that_may_have_seen_the_rows_is_warned_of()
    {
        var data = Vee(60);
        MixtureMember Member(bool isNew) => new("falls", new DelegateExpert(1, 1, x => x * -2)) { RowsAreNew = isNew };
        var other = Halves()[1];
        new GatedExpertsLearner([Member(false), other]).Fit(data).Report.Warnings.Should().ContainSingle(warning => warning.Contains("may have seen")).Which.Should().Contain("\"falls\"");
        new GatedExpertsLearner([Member(true), other]).Fit(data).Report.Warnings.Should().NotContain(warning => warning.Contains("may have seen"));
        var given = new Dictionary<string, Tensor> { ["falls"] = data.Inputs * -2 };
        new GatedExpertsLearner([Member(false), other]).Fit(data, outOfFold: given).Report.Warnings.Should().NotContain(warning => warning.Contains("may have seen"));
    }

    [Fact]
    public void A_gate_fitted_out_of_fold_does_not_trust_an_expert_that_repeats_its_rows()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var inputs = rand(80, 2, dtype: float64);
        var data = new FitData(inputs, Response.Real(inputs.sum(dim: 1) + randn(80, dtype: float64) * 0.5));
        var memory = new MemoryLearner().Fit(data, FitContext.Default);
        var linear = new MixtureMember("linear", new LinearLearner());
        var seen = new GatedExpertsLearner([new MixtureMember("memory", memory), linear]).Fit(data).Report;
        var honest = new GatedExpertsLearner([new MixtureMember("memory", new MemoryLearner()), linear]).Fit(data).Report;
        seen.MeanGates[0].Should().BeGreaterThan(0.95);
        seen.Warnings.Should().NotBeEmpty();
        honest.MeanGates[0].Should().BeLessThan(0.5);
        honest.ExpertLosses[0].Should().BeGreaterThan(honest.ExpertLosses[1]);
    }

    [Fact]
    public void Frozen_and_learned_experts_go_together()
    {
        var data = Vee(200, noise: 0.8);
        var fit = new GatedExpertsLearner([Halves()[0], new MixtureMember("half", new LinearLearner()), new MixtureMember("memory", new MemoryLearner())]).Fit(data);
        fit.Mixture.Components.Select(component => component.IsFixed).Should().Equal(true, false, false);
        fit.Mixture.Components[1].Expert.Should().BeOfType<LinearModel>();
        fit.Report.CrossValidatedLoss.Should().BeLessThan(fit.Report.ExpertLosses.Min());
        fit.ToString().Should().Contain("memory").And.Contain("out of fold");
    }

    [Fact]
    public void Answers_that_are_given_spare_the_folds()
    {
        var data = Vee(60);
        var counted = new Counted();
        new GatedExpertsLearner([new MixtureMember("counted", counted), Halves()[0]]).Fit(data);
        counted.Fits.Should().Be(1, "a linear model can answer out of sample, so that all rows are enough");
        var given = new Dictionary<string, Tensor> { ["counted"] = data.Inputs * 2 };
        new GatedExpertsLearner([new MixtureMember("counted", counted), Halves()[0]]).Fit(data, outOfFold: given);
        counted.Fits.Should().Be(2);
    }

    [Theory]
    [InlineData(GatedLoss.MixtureLikelihood)]
    [InlineData(GatedLoss.BlendedError)]
    [InlineData(GatedLoss.ExpectedCost)]
    public void Weights_have_no_scale_and_rows_of_weight_0_are_not_there(GatedLoss loss)
    {
        var data = Vee(90, noise: 0.5);
        var weights = ((arange(90) % 3) + 0.5).to(float64);
        var learner = new GatedExpertsLearner([Halves()[0], new MixtureMember("linear", new LinearLearner())], new GatedExpertsOptions { Loss = loss });
        var plain = learner.Fit(data.WithWeights(weights));
        Same(learner.Fit(data.WithWeights(weights * 1e6)), 1e-5);

        using var rows = arange(90, dtype: int64);
        var more = new FitData(cat([data.Inputs, zeros(10, 1, dtype: float64)]), Response.Real(cat([data.Response.Values, zeros(10, dtype: float64) + 1e3])), cat([weights, zeros(10, dtype: float64)]));
        var padded = learner.Fit(more);
        Same(padded, 1e-9);
        padded.Report.Responsibilities().shape.Should().Equal(100, 2);

        void Same(GatedExpertsFit other, double tolerance)
        {
            (other.Mixture.Gates(data.Inputs) - plain.Mixture.Gates(data.Inputs)).abs().max().item<double>().Should().BeLessThan(tolerance);
            other.Report.CrossValidatedLoss.Should().BeApproximately(plain.Report.CrossValidatedLoss, tolerance);
        }
    }

    [Fact]
    public void Responsibilities_start_a_mixture_whose_experts_learn_too()
    {
        var (inputs, values) = ThreeRegimes.Draw(200, 1);
        var data = new FitData(inputs, Response.Real(values));
        var members = new[] { new MixtureMember("line", new LinearLearner()), new MixtureMember("tree", new DecisionTreeLearner()) };
        var gated = new GatedExpertsLearner(members).Fit(data);
        var shares = gated.Report.Responsibilities();
        (shares.sum(dim: 1) - 1).abs().max().item<double>().Should().BeLessThan(1e-12);
        var mixture = new MixtureLearner(members).Fit(data, responsibilities: shares);
        mixture.Report!.Starts.Should().ContainSingle();
    }

    [Fact]
    public void An_expert_that_is_too_sure_of_itself_is_cooled()
    {
        // Right for 3 rows of 4, and sure of it always.
        var sure = new MixtureMember("sure", new DelegateExpert(1, 2, x => cat([1 - x, x], 1).clamp(0.001, 0.999))) { RowsAreNew = true };
        var inputs = (arange(80) % 2).reshape(80, 1).to(float64);
        var labels = where((arange(80) % 8 < 2), 1 - inputs[.., 0], inputs[.., 0]);
        var data = new FitData(inputs, Response.Class(labels, 2));
        var cooled = new GatedExpertsLearner([sure]).Fit(data);
        cooled.Mixture.Components[0].Noise.Should().BeOfType<CategoricalNoise>().Which.Temperature.Should().BeGreaterThan(3);
        cooled.Report.FittedLoss.Should().BeApproximately(-(0.75 * Math.Log(0.75)) - (0.25 * Math.Log(0.25)), 1e-4);
        var raw = new GatedExpertsLearner([sure], new GatedExpertsOptions { Calibrate = false }).Fit(data);
        raw.Report.FittedLoss.Should().BeGreaterThan(1.5);
    }

    [Fact]
    public void The_blended_error_of_classes_is_the_Brier_score()
    {
        var half = new MixtureMember("half", new DelegateExpert(1, 2, x => zeros(x.size(0), 2, dtype: float64) + 0.5)) { RowsAreNew = true };
        var data = new FitData(arange(20).reshape(20, 1), Response.Class(arange(20) % 2, 2));
        var report = new GatedExpertsLearner([half], new GatedExpertsOptions { Loss = GatedLoss.BlendedError }).Fit(data).Report;
        report.FittedLoss.Should().BeApproximately(0.5, 1e-12);
        report.ExpertLosses.Should().ContainSingle().Which.Should().BeApproximately(0.5, 1e-12);
    }

    [Fact]
    public void Counts_and_trials_are_taken()
    {
        var inputs = linspace(0, 1, 60).reshape(60, 1);
        var low = new MixtureMember("low", new DelegateExpert(1, 1, x => zeros_like(x) + 0.2)) { RowsAreNew = true };
        var high = new MixtureMember("high", new DelegateExpert(1, 1, x => zeros_like(x) + 0.8)) { RowsAreNew = true };
        var won = where(inputs[.., 0] > 0.5, full(60, 8.0), full(60, 2.0));
        foreach (var loss in Enum.GetValues<GatedLoss>())
        {
            var learner = new GatedExpertsLearner([low, high], new GatedExpertsOptions { Loss = loss, Ridge = 0.01 });
            learner.Fit(new FitData(inputs, Response.Binomial(won, full(60, 10.0)))).Mixture.Route(tensor(new[] { 0.1, 0.9 }).reshape(2, 1)).data<long>().ToArray().Should().Equal(0, 1);
            learner.Fit(new FitData(inputs, Response.Count(where(inputs[.., 0] > 0.5, ones(60), zeros(60))))).Mixture.Route(tensor(new[] { 0.1, 0.9 }).reshape(2, 1)).data<long>().ToArray().Should().Equal(0, 1);
        }
    }

    [Fact]
    public void A_density_of_its_own_is_asked_of_experts_that_have_not_seen_the_rows()
    {
        var data = Vee(80, noise: 0.2);
        var inner = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { Restarts = 1 });
        var fit = new GatedExpertsLearner([new MixtureMember("inner", inner) { OwnDensity = true }, Halves()[0]]).Fit(data);
        fit.Mixture.Components[0].Noise.Should().BeNull();
        fit.Report.ExpertLosses[0].Should().BeLessThan(fit.Report.ExpertLosses[1]);
    }

    [Fact]
    public void The_same_seed_gives_the_same_fit_whatever_runs_at_once()
    {
        var data = Vee(90, noise: 0.5);
        MixtureMember[] members = [new("linear", new LinearLearner()), new("memory", new MemoryLearner())];
        double Loss(int atOnce, long seed) => new GatedExpertsLearner(members, new GatedExpertsOptions { FitsAtOnce = atOnce }).Fit(data, new FitContext { Seed = seed }).Report.CrossValidatedLoss;
        Loss(1, 4).Should().Be(Loss(3, 4)).And.NotBe(Loss(1, 5));
    }

    [Fact]
    public void A_fit_can_be_cancelled()
    {
        var act = () => new GatedExpertsLearner(Halves()).Fit(Vee(40), new FitContext { CancellationToken = new CancellationToken(true) });
        act.Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void The_mixture_obeys_the_contract_of_experts() =>
        new ExpertContract(() => new GatedExpertsLearner([new MixtureMember("linear", new LinearLearner()), Halves()[0]]).Fit(Vee(60)).Mixture, ScalarType.Float64).Verify();

    [Fact]
    public void A_fit_outlives_the_scope_it_was_made_in_and_predictions_leave_nothing()
    {
        GatedExpertsFit fit;
        using (NewDisposeScope())
            fit = new GatedExpertsLearner([new MixtureMember("linear", new LinearLearner()), Halves()[0]]).Fit(Vee(60));
        using var rows = linspace(-1, 1, 7, dtype: ScalarType.Float64).reshape(7, 1);
        LiveTensors.After(() =>
        {
            fit.Mixture.forward(rows).Dispose();
            fit.Report.Responsibilities().Dispose();
        }).Should().Be(0);
    }

    /// <summary>Right on the left and on the right of <see cref="Vee"/>.</summary>
    private static MixtureMember[] Halves() => [Fixed("falls", x => x * -2), Fixed("rises", x => x * 2)];

    private static MixtureMember Fixed(string name, Func<Tensor, Tensor> rule) => new(name, new DelegateExpert(1, 1, rule)) { RowsAreNew = true };

    /// <summary>y = 2 |x| and noise.</summary>
    private static FitData Vee(int rows, double noise = 0.1)
    {
        var random = new Random(7);
        var (inputs, values) = (new double[rows], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            inputs[row] = (2.0 * row / (rows - 1)) - 1;
            values[row] = (2 * Math.Abs(inputs[row])) + (noise * ((2 * random.NextDouble()) - 1));
        }
        return new FitData(tensor(inputs, [rows, 1]), Response.Real(tensor(values)));
    }

    private sealed class Counted : IExpertLearner
    {
        private readonly LinearLearner _inner = new();

        public int Fits { get; private set; }

        public string Name => "counted";

        public WeightSupport Weights => WeightSupport.Native;

        public bool OverfitsOwnRows => false;

        public bool AnswersOutOfSample => true;

        public bool Takes(ResponseKind kind) => _inner.Takes(kind);

        public IExpert Fit(FitData data, FitContext context)
        {
            Fits++;
            return ((IExpertLearner)_inner).Fit(data, context);
        }
    }
}
