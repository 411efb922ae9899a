using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Selection biases: moved once an optimizer step that is taken, and never else.</summary>
public sealed partial class TrainerTests
{
    private static readonly GatingOptions Biased = Make.Gating with { SelectionBias = true };

    [Theory]
    [InlineData(60, 1)]
    [InlineData(20, 3)]
    [InlineData(7, 4)]
    public void A_bias_moves_once_an_optimizer_step_by_the_counts_of_all_micro_batches(int batch, int accumulation)
    {
        using var model = Make.Classifier(options: Biased);
        var bias = ((MixtureOfExperts)model.children().First()).Network.SelectionBias!;
        var biases = new List<double[]> { State.Numbers(bias) };
        var recorder = new Recorder { AtStep = _ => biases.Add(State.Numbers(bias)) };
        var options = new TrainerOptions
        {
            Epochs = 3,
            BatchSize = batch,
            AccumulationSteps = accumulation,
            SelectionBalancer = new BiasBalancing(new BiasBalancingOptions { Rate = 0.25 }),
        };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters(), Make.Clusters());

        biases[0].Should().Equal(0, 0, 0, 0);
        for (var step = 0; step < recorder.Steps.Count; step++)
        {
            var assigned = recorder.Steps[step].Routing["0"].Assigned;
            biases[step + 1].Should().Equal(biases[step].Zip(assigned, (before, count) => before + 0.25 * Math.Sign(assigned.Average() - count)));
        }
        biases[^1].Should().Contain(value => value != 0);
    }

    [Fact]
    public void A_balancer_sees_every_micro_batch_and_moves_every_gate_once_a_step()
    {
        using var first = Make.Mixture(1, Biased);
        using var plain = Make.Mixture(2);
        using var second = Make.Mixture(3, Biased);
        using var model = new Probe(first, plain, second, Make.Linear(4, 3));
        var balancer = new WatchedBalancer();

        // 60 samples: 4 micro-batches of 15, 3 a step and then 1.
        var options = new TrainerOptions { Epochs = 1, BatchSize = 15, AccumulationSteps = 3, SelectionBalancer = balancer };
        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options).Fit(Make.Clusters(), Make.Clusters());

        balancer.Observations.Should().Be(8);
        balancer.Updates.Select(update => (update.Gate, update.Seen, update.Counts.Sum())).Should().Equal(
            (first.Network, 3, 90), (second.Network, 3, 90), (first.Network, 1, 30), (second.Network, 1, 30));
    }

    [Fact]
    public void Without_a_balancer_biases_are_moved_all_the_same()
    {
        using var model = Make.Classifier(options: Biased);

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1, BatchSize = 60 }).Fit(Make.Clusters());

        // The step of BiasBalancing; a bias that stays 0 is what Hugging Face and DeepSpeed leave one with.
        State.Numbers(((MixtureOfExperts)model.children().First()).Network.SelectionBias!).Select(Math.Abs).Max().Should().BeApproximately(1e-3, 1e-9);
    }

    [Theory]
    [InlineData("loss")]
    [InlineData("logits")]
    public void A_step_that_is_skipped_leaves_the_bias_and_is_not_remembered(string spoiler)
    {
        using var layer = Make.Mixture(1, Biased);
        using var model = new Probe(layer, Make.Linear(4, 3));
        var balancer = new WatchedBalancer();
        var biases = new List<double>();
        var recorder = new Recorder { AtStep = _ => biases.Add(State.Numbers(layer.Network.SelectionBias!)[0]) };
        if (spoiler == "logits")
            model.Before = (number, input) => number == 3 ? input * double.NaN : input;
        Tensor Loss(Tensor output, Tensor target) => TaskLosses.CrossEntropy(output, target) * (spoiler == "loss" && model.Forwards == 4 ? double.NaN : 1);

        // The second micro-batch of the second step.
        var options = new TrainerOptions { Epochs = 1, BatchSize = 10, AccumulationSteps = 2, OnNonFinite = NonFiniteAction.SkipStep, SelectionBalancer = balancer };
        new Trainer(model, Make.Sgd(), Loss, options, recorder).Fit(Make.Clusters());

        recorder.Steps.Select(step => step.SkippedBecause is null).Should().Equal(true, false, true);
        biases.Should().Equal(1, 1, 2);
        balancer.Updates.Select(update => (update.Seen, update.Counts.Sum())).Should().Equal((2, 40), (2, 40));
    }

    [Fact]
    public void A_balancer_that_fails_leaves_everything_as_it_was()
    {
        using var model = Make.Classifier(options: Biased);
        var before = State.Of(model);
        var balancer = new WatchedBalancer { AtUpdate = () => throw new InvalidOperationException("no update today") };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { SelectionBalancer = balancer }).Fit(Make.Clusters());

        fit.Should().Throw<InvalidOperationException>().WithMessage("no update today");
        State.Of(model).Should().Equal(before);
    }

    [Fact]
    public void The_best_model_has_the_bias_of_its_epoch()
    {
        using var model = Make.Classifier(options: Biased);
        var scores = new Queue<double>([0.1, 0.9, 0.2, 0.3]);
        var metric = new Metric("script", (_, _) => scores.Dequeue(), HigherIsBetter: true);
        var options = new TrainerOptions { Epochs = 4, BatchSize = 60, KeepBest = true, Metrics = [metric], Monitor = metric, SelectionBalancer = new WatchedBalancer() };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options).Fit(Make.Clusters(), Make.Clusters());

        State.Numbers(((MixtureOfExperts)model.children().First()).Network.SelectionBias!).Should().Equal(2, 2, 2, 2);
    }

    [Fact]
    public void A_mixture_that_runs_twice_moves_its_bias_once()
    {
        using var layer = Make.Mixture(1, Biased);
        using var model = new Probe(layer, layer, Make.Linear(4, 3));
        var balancer = new WatchedBalancer();

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1, BatchSize = 60, SelectionBalancer = balancer }).Fit(Make.Clusters());

        balancer.Updates.Select(update => (update.Seen, update.Counts.Sum())).Should().Equal((2, 240));
    }

    [Fact]
    public void Biases_balance_what_no_loss_does()
    {
        // Tokens on one side of the origin: one expert is everybody's best, one everybody's second.
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture(1, Biased with { Score = ScoreFunction.Sigmoid, TopK = 1 });
        using (no_grad())
            layer.Network.Weight.copy_(tensor(new double[] { 1, 0, 0, 0, 0.5, 0, 0, 0, 0.2, 0, 0, 0, 0, 0, 0, 0 }, [4, 4]));
        layer.Network.Weight.requires_grad = false;
        using var model = new Probe(layer);
        var x = Make.Normal(1, 64, 4) * 0.3 + 1;
        var options = new TrainerOptions { Epochs = 150, BatchSize = 64, Lambda = 0, SelectionBalancer = new BiasBalancing(new BiasBalancingOptions { Rate = 0.002 }) };

        var epochs = new Trainer(model, Make.Sgd(0), TaskLosses.MeanSquaredError, options).Fit(new TrainingData(x, x)).Epochs;

        epochs[0].Routing["layers.0"].DeadExperts.Should().HaveCount(3);
        epochs.TakeLast(10).Average(epoch => epoch.Routing["layers.0"].MaxOverMean).Should().BeLessThan(2);
        epochs[^1].Routing["layers.0"].DeadExperts.Should().BeEmpty();
    }

    [Fact]
    public void A_balancer_with_nothing_to_move_is_refused_unless_there_is_no_mixture_at_all()
    {
        using var model = Make.Classifier();
        using var dense = Make.Linear(4, 3);
        var options = new TrainerOptions { SelectionBalancer = new BiasBalancing() };

        FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options)).Should().Throw<ArgumentException>()
            .WithMessage("SelectionBalancer (BiasBalancing) has nothing to move: no gate of the model has a SelectionBias.*").WithParameterName("options");
        FluentActions.Invoking(() => new Trainer(dense, Make.Sgd(), TaskLosses.CrossEntropy, options)).Should().NotThrow();
    }

    [Fact]
    public void Nothing_stays_alive_after_a_training_with_biases_terms_and_rules()
    {
        using var model = Make.Classifier(options: Biased);
        using var data = Owned(Make.Clusters());
        var options = new TrainerOptions { Epochs = 2, BatchSize = 13, AccumulationSteps = 2, Terms = [Global, new(new RouterZLoss(), 0.1, new SparsityRule(1))], KeepBest = true };
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options);

        State.LiveAfter(() => trainer.Fit(data.Data, data.Data)).Should().Be(0);
    }
}
