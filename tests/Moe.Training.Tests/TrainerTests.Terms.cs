using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Several balance losses in a training: their schedules, their reports, what is wrong with them.</summary>
public sealed partial class TrainerTests
{
    private static readonly BalanceTerm[] TwoTerms =
        [new(new RouterZLoss(), new Schedule(step => 0.25 * step)), new(new ImportanceLoss(), Schedule.Stairs(1, 0.5, 1)) { Name = "cv" }];

    [Fact]
    public void Each_loss_follows_its_own_schedule_and_all_add_up()
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();
        var options = new TrainerOptions { Epochs = 2, BatchSize = 20, Lambda = 0.125, Terms = TwoTerms, Metrics = [Metric.Accuracy] };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters(), Make.Clusters(seed: 2));

        recorder.Steps.Select(step => step.Lambda).Should().AllBeEquivalentTo(0.125);
        recorder.Steps.Select(step => step.Terms["router_z"].Lambda).Should().Equal(0, 0.25, 0.5, 0.75, 1, 1.25);
        recorder.Steps.Select(step => step.Terms["cv"].Lambda).Should().Equal(1, 0.5, 0.25, 0.125, 0.0625, 0.03125);
        recorder.Steps.Should().OnlyContain(step => step.Terms.Count == 2 && step.Terms.Values.All(term => term.Value > 0)
            && Math.Abs(step.Loss - step.TaskLoss - 0.125 * step.Balance - step.Terms.Values.Sum(term => term.Lambda * term.Value)) < 1e-12);

        // Over an epoch of equal batches each number is the mean of its steps.
        var (epoch, steps) = (recorder.Epochs[1], recorder.Steps.Skip(3).ToArray());
        epoch.Loss.Should().BeApproximately(steps.Average(step => step.Loss), 1e-12);
        foreach (var (name, term) in epoch.Terms)
        {
            term.Value.Should().BeApproximately(steps.Average(step => step.Terms[name].Value), 1e-12);
            term.Lambda.Should().BeApproximately(steps.Average(step => step.Terms[name].Lambda), 1e-12);
        }
        epoch.Validation!.Terms.Keys.Should().Equal("router_z", "cv");
    }

    [Fact]
    public void Terms_move_the_parameters_as_their_sum_does()
    {
        using var apart = Make.Classifier();
        using var joined = Make.Classifier();
        var (z, importance) = (new RouterZLoss(), new ImportanceLoss());
        var sum = new GivenLoss("sum", (layers, batch) => [.. z.Compute(layers).Zip(importance.Compute(layers), (a, b) => 0.5 * a + 2 * b)]);

        Train(apart, [new(z, 0.5), new(importance, 2)]);
        Train(joined, [new(sum, 1)]);

        foreach (var (name, tensor) in apart.state_dict())
            State.Numbers(tensor).Should().Equal(State.Numbers(joined.state_dict()[name]), (a, b) => Math.Abs(a - b) < 1e-12);

        static void Train(RoutedSequential model, BalanceTerm[] terms) =>
            new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 2, Terms = terms }).Fit(Make.Clusters());
    }

    [Fact]
    public void The_default_balance_is_that_of_Switch_to_the_bit()
    {
        // As LoadBalance.Loss computes it, from shares counted on the host.
        var byHand = new GivenLoss("by_hand", (layers, _) => [.. layers.Select(layer =>
        {
            var (decision, scores) = (layer.Decision, layer.Decision.Scores);
            var shares = tensor(decision.Assigned.Select(count => count / (double)(decision.ValidTokens * decision.TopK)).ToArray(), dtype: scores.dtype);
            return (scores.sum(dim: 0) / decision.ValidTokens * shares).sum() * decision.ExpertCount;
        })]);

        var (expected, actual) = (Train(byHand), Train(new TrainerOptions().Balance));

        actual.State.Should().Equal(expected.State);
        actual.Balances.Should().Equal(expected.Balances);

        static (Dictionary<string, string> State, double[] Balances) Train(BalanceLoss balance)
        {
            using var model = Make.Classifier().to(ScalarType.Float32);
            using var inputs = Make.Clusters().Inputs.to(ScalarType.Float32);
            var recorder = new Recorder();
            new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 3, Balance = balance, Lambda = 0.1 }, recorder)
                .Fit(new TrainingData(inputs, Make.Clusters().Targets));
            return (State.Of(model), [.. recorder.Steps.Select(step => step.Balance)]);
        }
    }

    [Fact]
    public void A_step_reports_who_answered_over_all_its_micro_batches()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));
        var recorder = new Recorder();

        var options = new TrainerOptions { Epochs = 1, BatchSize = 10, AccumulationSteps = 4 };
        var epoch = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters()).Epochs.Single();

        recorder.Steps.Select(step => step.Routing["layers.1"].Tokens).Should().Equal(40, 20);
        recorder.Steps.Should().OnlyContain(step => step.Routing.Keys.SequenceEqual(new[] { "layers.0", "layers.1" }));
        foreach (var (layer, report) in epoch.Routing)
            RoutingReport.Combine(recorder.Steps.Select(step => step.Routing[layer])).Assigned.Should().Equal(report.Assigned);
    }

    [Theory]
    [InlineData(false, "the term bad of layers.1")]
    [InlineData(true, "the term bad")]
    public void A_term_that_is_not_finite_is_named_with_its_layer(bool joins, string place)
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));
        var bad = new GivenLoss("bad", (layers, _) => joins
            ? [layers[0].Decision.Scores.sum() * double.PositiveInfinity]
            : [layers[0].Decision.Scores.sum(), layers[1].Decision.Scores.sum() * double.NaN]);
        var before = State.Of(model);

        var fit = () => new Trainer(
            model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Terms = [new(new RouterZLoss(), 1), new(bad, 0)] }).Fit(Make.Clusters());

        fit.Should().Throw<NonFiniteTrainingException>().Which.Place.Should().Be(place);
        State.Of(model).Should().Equal(before);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(-1)]
    public void A_terms_schedule_that_gives_nonsense_ends_training_before_the_step(double bad)
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();
        var options = new TrainerOptions { BatchSize = 20, Terms = [new(new RouterZLoss(), new Schedule(step => step < 2 ? 1 : bad)) { Name = "z" }] };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        fit.Should().Throw<InvalidOperationException>().WithMessage($"Step 2: Lambda of z ({bad}) must be 0 or more, and finite.");
        recorder.Steps.Should().HaveCount(2);
    }

    [Fact]
    public void Terms_that_cannot_be_told_apart_or_lack_something_are_refused()
    {
        using var model = Make.Classifier();

        Build(new() { Terms = [new(new RouterZLoss(), 1) { Name = "lambda" }] }).Should().Throw<ArgumentException>().WithMessage(
            "TrainerOptions is not valid: Terms must have other names than what reports have anyway, but lambda is one of loss, task_loss, balance, lambda, *");
        Build(new() { Terms = [new(new RouterZLoss(), 1), new(new RouterZLoss(), 2), new(new LoadBalance(), 1)] }).Should().Throw<ArgumentException>().WithMessage(
            "TrainerOptions is not valid: Terms must have names that differ from each other and from that of Balance, but load_balance, router_z is there more than once.*");
        Build(new() { Terms = [new(new RouterZLoss(), 1) { Name = "accuracy" }], Metrics = [Metric.Accuracy] }).Should().Throw<ArgumentException>().WithMessage(
            "*Terms must have other names than Metrics, but accuracy is the name of both.*");
        Build(new() { Terms = [new(new RouterZLoss(), null!)] }).Should().Throw<ArgumentException>().WithMessage("*Terms must be a list without null, each with a loss, a λ and a name.*");
        Build(new() { Terms = [new(null!, 1)] }).Should().Throw<ArgumentException>().WithMessage("*Terms must be a list without null,*");
        Build(new() { Terms = [new(new RouterZLoss(), 1) { Name = " " }] }).Should().Throw<ArgumentException>().WithMessage("*Terms must be a list without null,*");
        Build(new() { Terms = null!, Balance = null! }).Should().Throw<ArgumentException>().WithMessage("*Balance (null) must be a loss. Terms must be a list without null,*");
        Build(new() { Terms = [new(new RouterZLoss(), 1), new(new LoadBalance(LoadBalanceOptions.DeepSeekSequence), 1) { Name = "sequence" }] }).Should().NotThrow();

        Action Build(TrainerOptions options) => () => _ = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options);
    }

    [Theory]
    [InlineData(1e6)]
    [InlineData(double.NaN)]
    public void Whatever_padding_holds_changes_no_term_no_bias_and_no_factor(double garbage)
    {
        using var scope = NewDisposeScope();
        var real = Make.Normal(9, 24, 5).lt(0.5);
        var inputs = Make.Normal(1, 24, 5, 4);
        var targets = Make.Normal(2, 24, 5, 4) * real.unsqueeze(-1);
        var gating = Make.Gating with { Noise = new LearnedNoise(), SelectionBias = true };

        var (clean, dirty) = (Train(inputs), Train(inputs.masked_fill(real.logical_not().unsqueeze(-1), garbage)));

        dirty.State.Should().Equal(clean.State);
        dirty.Terms.Should().Equal(clean.Terms);
        clean.Terms.Should().NotContain("NaN");

        (Dictionary<string, string> State, string[] Terms) Train(Tensor x)
        {
            using var generator = new Generator(3);
            using var model = new Probe(Make.Mixture(1, gating, generator));
            var recorder = new Recorder();
            var data = new TrainingData(x, targets, real);
            var options = new TrainerOptions
            {
                Epochs = 2,
                BatchSize = 4,
                AccumulationSteps = 2,
                Balance = new LoadBalance(LoadBalanceOptions.GlobalBatch),
                Terms =
                [
                    new(new RouterZLoss(), 0.1), new(new ImportanceLoss(), 0.1), new(new SmoothLoadLoss(), 0.1, new SparsityRule(1.5)), new(new ReluL1Loss(), 0.1),
                    new(new LoadBalance(LoadBalanceOptions.DeepSeekSequence), 0.1) { Name = "sequence" },
                ],
                SelectionBalancer = new BiasBalancing(new BiasBalancingOptions { Rate = 0.1 }),
            };
            new Trainer(model, Make.AdamW(), TaskLosses.MeanSquaredError, options, recorder).Fit(data, data);
            return (State.Of(model), [.. recorder.Steps.SelectMany(step => step.Terms).Select(term => $"{term}"), .. recorder.Epochs.SelectMany(epoch => epoch.Validation!.Terms).Select(term => $"{term}")]);
        }
    }
}
