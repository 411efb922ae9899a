using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class EnsembleTests
{
    private static readonly Dictionary<string, Func<IExpert>> Ensembles = new()
    {
        ["averaging"] = () => new AveragingLearner([new LinearLearner(), new GivenLearner(new Fixed(4, 1))]).Fit(Data(), FitContext.Default),
        ["voting"] = () => new Voting([new Fixed(4, 0.5, 0.5), new Fixed(4, 0.2, 0.8)]),
        ["bagging"] = () => new BaggingLearner(new LinearLearner(), new() { Members = 3 }).Fit(Data(), FitContext.Default),
        ["stacking"] = () => new StackingLearner([new LinearLearner()], null, new() { PassInputs = true }).Fit(Data(), FitContext.Default),
        ["network"] = () => new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 2 }).Fit(Data(), FitContext.Default),
    };

    public static TheoryData<string, ExpertLaw> NamesAndLaws()
    {
        var cases = new TheoryData<string, ExpertLaw>();
        foreach (var name in Ensembles.Keys)
        {
            foreach (var law in ExpertContract.Laws)
                cases.Add(name, law);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(NamesAndLaws))]
    public void They_obey_the_laws_of_experts(string name, ExpertLaw law) => new ExpertContract(Ensembles[name], ScalarType.Float64).Verify(law);

    [Fact]
    public void An_average_is_what_one_computes_by_hand()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, 3, dtype: ScalarType.Float64);
        new Averaging([new Fixed(3, 1), new Fixed(3, 4)]).forward(x).data<double>().ToArray().Should().Equal(2.5, 2.5);
        new Averaging([new Fixed(3, 1), new Fixed(3, 4)], [1, 3]).forward(x).data<double>().ToArray().Should().Equal(3.25, 3.25);
        FluentActions.Invoking(() => new Averaging([new Fixed(3, 1), new Fixed(2, 4)])).Should().Throw<ArgumentException>().WithMessage("*expert 1 maps 2 to 1*");
        FluentActions.Invoking(() => new Averaging([])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new Averaging([new Fixed(3, 1)], [0])).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Tied_votes_go_to_the_higher_sum_of_probabilities_and_then_to_the_lower_class()
    {
        using var scope = NewDisposeScope();
        var x = ones(1, 2, dtype: ScalarType.Float64);
        var surer = new Voting([new Fixed(2, 0.6, 0.4, 0), new Fixed(2, 0.1, 0, 0.9)]);
        surer.forward(x).data<double>().ToArray().Should().Equal(0.5, 0, 0.5);
        surer.Classes(x).item<long>().Should().Be(2);
        new Voting([new Fixed(2, 0, 0.3, 0.7), new Fixed(2, 0, 0.7, 0.3)]).Classes(x).item<long>().Should().Be(1);
        new Voting([new Fixed(2, 0.5, 0.5)]).forward(x).data<double>().ToArray().Should().Equal(1, 0);
        new Voting([new Fixed(2, 0.6, 0.4), new Fixed(2, 0.1, 0.9)], VotingRule.Soft).forward(x).data<double>().ToArray().Should().Equal(0.35, 0.65);
        FluentActions.Invoking(() => new Voting([new Fixed(2, 1)])).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_bag_of_linear_models_is_nearly_the_linear_model()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(300, 1);
        var bag = new BaggingLearner(new LinearLearner()).Fit(data, FitContext.Default).forward(data.Inputs);
        var model = new LinearLearner().Fit(data, FitContext.Default).forward(data.Inputs);
        bag.sub(model).abs().max().item<double>().Should().BeInRange(1e-6, 0.05);
    }

    [Theory]
    [InlineData(WeightSupport.Native)]
    [InlineData(WeightSupport.Resample)]
    public void Out_of_bag_answers_never_saw_their_row(WeightSupport support)
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(40, 1);
        var bag = (Bagging)new BaggingLearner(new Memoriser { Weights = support }, new() { Members = 30 }).Fit(data, FitContext.Default);
        bag.OutOfSample().data<double>().ToArray().Should().OnlyContain(value => value == 1e6);
    }

    [Fact]
    public void A_row_in_every_bag_gets_the_mean_of_the_others()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(ones(3, 1), Response.Real(tensor(new[] { 1.0, 2, 6 })), tensor(new[] { 1.0, 1, 3 }));
        var means = new OutOfBagMeans(3, 1);
        means.Add([0, 1], [7, 8]);
        means.Add([0], [9]);
        means.Means(data).data<double>().ToArray().Should().Equal(8, 8, 1.5);
    }

    [Fact]
    public void Bags_depend_on_the_seed_and_the_ratios_of_weights_alone()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(40, 1).WithWeights(rand(40, dtype: ScalarType.Float64).round(decimals: 2).add(0.5));
        double[] Answers(int atOnce, double scale, long seed)
        {
            var learner = new BaggingLearner(new LinearLearner(), new() { Members = 5, FitsAtOnce = atOnce });
            return learner.Fit(data.WithWeights(data.Weights! * scale), new() { Seed = seed }).forward(data.Inputs).data<double>().ToArray();
        }

        Answers(1, 1, 0).Should().Equal(Answers(3, 1, 0));
        Answers(1, 1, 0).Should().Equal(Answers(1, 1024, 0));
        Answers(1, 1, 0).Should().NotEqual(Answers(1, 1, 1));
    }

    [Fact]
    public void Rows_of_weight_zero_are_in_no_bag()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(30, 1);
        var y = data.Response.Values.clone();
        y[3] = 1e9;
        var weights = ones(30, dtype: ScalarType.Float64);
        weights[3] = 0;
        var bag = new BaggingLearner(new LinearLearner()).Fit(new FitData(data.Inputs, Response.Real(y), weights), FitContext.Default);
        bag.forward(data.Inputs).abs().max().item<double>().Should().BeLessThan(20);
    }

    [Fact]
    public void Stacking_finds_the_good_expert_among_junk()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(120, 0.2);
        var junk = new GivenLearner(new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).mul(37).sin()), "junk");
        var stack = (Stacking)new StackingLearner([junk, new LinearLearner(), new Memoriser()]).Fit(data, FitContext.Default);

        var weights = ((LinearModel)stack.Meta).Coefficients;
        weights.Should().HaveCount(4);
        Math.Abs(weights[1]).Should().BeLessThan(0.05);
        weights[2].Should().BeApproximately(1, 0.05);
        stack.EvaluationsPerPrediction.Should().Be(4);
    }

    [Fact]
    public void Stacked_classifiers_tell_classes_apart()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Classes(150);
        var stack = new StackingLearner([new SoftmaxLearner(), new GivenLearner(new Fixed(2, 0.2, 0.3, 0.5))], null, new() { FitsAtOnce = 2 }).Fit(data, FitContext.Default);
        var answers = stack.forward(data.Inputs);

        answers.sum(dim: 1).sub(1).abs().max().item<double>().Should().BeLessThan(1e-12);
        answers.argmax(1).to(ScalarType.Float64).eq(data.Response.Values).to(ScalarType.Float64).mean().item<double>().Should().BeGreaterThan(0.9);
    }

    [Fact]
    public void Ensembles_nest_and_frozen_networks_join_them()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(40, 1);
        var network = new ModuleExpert(nn.Linear(2, 1), 2, 1);
        var nested = new AveragingLearner([new BaggingLearner(new LinearLearner(), new() { Members = 3 }), new GivenLearner(network)], 2).Fit(data, FitContext.Default);
        ((ICompositeExpert)nested).EvaluationsPerPrediction.Should().Be(4);
        nested.forward(data.Inputs).shape.Should().Equal(40, 1);
        using var crossed = CrossFit.Run(new GivenLearner(network), data, Folds.Random(40, 4));
        crossed.Predictions.shape.Should().Equal(40, 1);
    }

    [Fact]
    public void Fits_and_predictions_leave_nothing_but_the_experts_own()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(30, 1);
        var stack = new StackingLearner([new LinearLearner()]).Fit(data, FitContext.Default);
        var bag = new BaggingLearner(new LinearLearner()).Fit(data, FitContext.Default);
        LiveTensors.After(() =>
        {
            stack.forward(data.Inputs).Dispose();
            bag.forward(data.Inputs).Dispose();
        }).Should().Be(0);
        LiveTensors.After(() => new StackingLearner([new LinearLearner()]).Fit(data, FitContext.Default)).Should().Be(0);
    }

    private static FitData Data()
    {
        var x = rand(20, 4, dtype: ScalarType.Float64);
        return new FitData(x, Response.Real(x.sum(dim: 1)));
    }
}
