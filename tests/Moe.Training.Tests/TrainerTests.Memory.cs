using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Nothing stays alive, and the same seed gives the same bits.</summary>
public sealed partial class TrainerTests
{
    [Theory]
    [InlineData("SGD")]
    [InlineData("Adam")]
    [InlineData("AdamW")]
    [InlineData("RMSProp")]
    public void Nothing_stays_alive_after_a_training(string name)
    {
        using var model = new RoutedSequential(nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(), Make.Linear(4, 3));
        using var data = Owned(Make.Clusters());
        using var mask = Make.Normal(1, 60).lt(0.8);
        var masked = new TrainingData(data.Data.Inputs, data.Data.Targets, mask);
        optim.Optimizer Optimizer(IEnumerable<TorchSharp.Modules.Parameter> parameters) => name switch
        {
            "SGD" => optim.SGD(parameters, 0.05, momentum: 0.9),
            "Adam" => optim.Adam(parameters, 0.02, amsgrad: true),
            "AdamW" => optim.AdamW(parameters, 0.02),
            _ => optim.RMSProp(parameters, 0.01, momentum: 0.5, centered: true),
        };
        var trainer = new Trainer(
            model, Optimizer, TaskLosses.CrossEntropy,
            new TrainerOptions { Epochs = 2, BatchSize = 13, AccumulationSteps = 2, KeepBest = true, MaxGradientNorm = 0.1, Metrics = [Metric.Accuracy] });

        // State that an optimizer makes in its first step is its own; what it cannot give back must not grow with the steps.
        var twoEpochs = State.LiveAfter(() => trainer.Fit(masked, masked));
        var longer = new Trainer(model, Optimizer, TaskLosses.CrossEntropy, trainer.Options with { Epochs = 6 });

        State.LiveAfter(() => longer.Fit(masked, masked)).Should().Be(twoEpochs);
        twoEpochs.Should().Be(0);
    }

    [Fact]
    public void Nothing_stays_alive_after_judging_and_predicting()
    {
        using var model = Make.Classifier();
        using var data = Owned(Make.Clusters());
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { BatchSize = 7, Metrics = [Metric.Accuracy] });

        State.LiveAfter(() => trainer.Evaluate(data.Data)).Should().Be(0);
        State.LiveAfter(() => trainer.Predict(data.Data.Inputs).Dispose()).Should().Be(0);
        Tensor? output = null;
        State.LiveAfter(() => output = trainer.Predict(data.Data.Inputs)).Should().Be(1);
        output!.Dispose();
    }

    [Fact]
    public void Steps_that_fail_leave_nothing_behind()
    {
        using var model = new RoutedSequential(nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(), Make.Linear(4, 3));
        using var data = Owned(Make.Clusters());
        var trainer = new Trainer(
            model, Make.Sgd(), (o, t) => TaskLosses.CrossEntropy(o, t).mul(double.NaN), new TrainerOptions { Epochs = 2, OnNonFinite = NonFiniteAction.SkipStep });
        var stopping = new Trainer(model, Make.Sgd(), (o, t) => TaskLosses.CrossEntropy(o, t).mul(double.NaN));

        State.LiveAfter(() => trainer.Fit(data.Data)).Should().Be(0);
        State.LiveAfter(() => stopping.Invoking(t => t.Fit(data.Data)).Should().Throw<NonFiniteTrainingException>()).Should().Be(0);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_another_seed_others()
    {
        var (first, second, other) = (Train(3), Train(3), Train(4));

        second.State.Should().Equal(first.State);
        second.Losses.Should().Equal(first.Losses);
        other.State.Should().NotEqual(first.State);

        static (Dictionary<string, string> State, double[] Losses) Train(int seed)
        {
            random.manual_seed(seed);
            using var generator = new Generator((ulong)seed);
            using var model = new RoutedSequential(
                Make.Mixture(1, Make.Gating with { Noise = new LearnedNoise() }, generator), nn.Dropout(0.2), Make.Mixture(2), Make.Linear(4, 3));
            var recorder = new Recorder();
            var options = new TrainerOptions { Epochs = 3, BatchSize = 16, Seed = 8, KeepBest = true };
            new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters(), Make.Clusters(seed: 2));
            return (State.Of(model), [.. recorder.Steps.Select(step => step.Loss)]);
        }
    }

    [Fact]
    public void Each_epoch_sees_every_sample_once_in_an_order_of_its_own()
    {
        using var model = new Probe(Make.Linear(1, 1));
        using var data = Owned(new TrainingData(arange(20, dtype: ScalarType.Float64).reshape(20, 1), zeros(20, 1, dtype: ScalarType.Float64)));
        var orders = new List<List<double>>();
        void Train(long seed)
        {
            var seen = new List<double>();
            model.Before = (_, input) =>
            {
                seen.AddRange(State.Numbers(input));
                return input;
            };
            new Trainer(model, Make.Sgd(1e-6), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 2, BatchSize = 7, Seed = seed }).Fit(data.Data);
            orders.AddRange(seen.Chunk(20).Select(epoch => epoch.ToList()));
        }

        Train(1);
        Train(1);
        Train(2);

        orders.Should().HaveCount(6).And.OnlyContain(order => order.Order().SequenceEqual(Enumerable.Range(0, 20).Select(i => (double)i)));
        orders[2].Should().Equal(orders[0]);
        orders[3].Should().Equal(orders[1]);
        orders[1].Should().NotEqual(orders[0]);
        orders[4].Should().NotEqual(orders[0]).And.NotEqual(orders[1]);
    }
}
