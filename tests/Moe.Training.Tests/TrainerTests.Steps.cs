using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>What one optimizer step does: accumulation, schedules, clipping, padding.</summary>
public sealed partial class TrainerTests
{
    [Theory]
    [InlineData(20, 3)]
    [InlineData(15, 4)]
    [InlineData(25, 3)]
    [InlineData(60, 5)]
    public void Small_batches_whose_gradients_add_up_are_one_big_batch(int batch, int accumulation)
    {
        Dictionary<string, double[]> Train(int size, int parts, out Recorder recorder)
        {
            using var model = Make.Classifier();
            recorder = new Recorder();
            var options = new TrainerOptions { Epochs = 3, BatchSize = size, AccumulationSteps = parts, Lambda = 0, MaxGradientNorm = 0.5, Seed = 5 };
            new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());
            return model.state_dict().ToDictionary(item => item.Key, item => State.Numbers(item.Value));
        }

        var many = Train(batch, accumulation, out var small);
        var one = Train(60, 1, out var big);

        // 25 three times: the last has 10, and must weigh 10.
        foreach (var (name, values) in many)
            values.Should().Equal(one[name], (a, b) => Math.Abs(a - b) < 1e-12);
        small.Steps.Should().HaveCount(3);
        small.Steps.Select(step => step.TaskLoss).Should().Equal(big.Steps.Select(step => step.TaskLoss), (a, b) => Math.Abs(a - b) < 1e-12);
        small.Steps.Select(step => step.GradientNorm).Should().Equal(big.Steps.Select(step => step.GradientNorm), (a, b) => Math.Abs(a - b) < 1e-12);
        small.Steps.Should().OnlyContain(step => step.Samples == 60 && step.Tokens == 60);
    }

    [Fact]
    public void Each_accumulation_is_one_optimizer_step()
    {
        using var model = new Probe(Make.Mixture(), Make.Linear(4, 3));
        var recorder = new Recorder();

        // 60 samples: 6 batches of 10, 4 a step.
        var result = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 2, BatchSize = 10, AccumulationSteps = 4 }, recorder)
            .Fit(Make.Clusters());

        result.Steps.Should().Be(4);
        model.Forwards.Should().Be(12);
        recorder.Steps.Select(step => step.Samples).Should().Equal(40, 20, 40, 20);
        recorder.Plan!.StepsPerEpoch.Should().Be(2);
    }

    [Fact]
    public void Schedules_reach_gates_and_optimizer_before_each_step()
    {
        var gating = Make.Gating with { Noise = new LearnedNoise() };
        using var first = Make.Mixture(1, gating);
        using var second = Make.Mixture(2, gating);
        using var model = new Probe(first, second, Make.Linear(4, 3));
        optim.Optimizer? optimizer = null;
        var seen = new List<(double Temperature, double Noise, double Rate)>();
        model.Before = (_, input) =>
        {
            if (!model.training)
                return input;
            (first.Network.Temperature, first.Network.NoiseScale).Should().Be((second.Network.Temperature, second.Network.NoiseScale));
            seen.Add((first.Network.Temperature, first.Network.NoiseScale, optimizer!.ParamGroups.Single().LearningRate));
            return input;
        };
        var recorder = new Recorder();
        var options = new TrainerOptions
        {
            Epochs = 2,
            BatchSize = 30,
            Lambda = new Schedule(step => step * 0.5),
            Temperature = new Schedule(step => 4 - step),
            NoiseScale = new Schedule(step => 3 - step),
            LearningRate = new Schedule(step => 0.01 * (step + 1)),
        };

        new Trainer(model, parameters => optimizer = optim.SGD(parameters, 9), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        seen.Should().Equal((4, 3, 0.01), (3, 2, 0.02), (2, 1, 0.03), (1, 0, 0.04));
        recorder.Steps.Select(step => step.LearningRate).Should().Equal(0.01, 0.02, 0.03, 0.04);
        recorder.Steps.Select(step => step.Lambda).Should().Equal(0, 0.5, 1, 1.5);
    }

    [Fact]
    public void Without_schedules_gates_and_optimizer_keep_what_they_have()
    {
        using var model = Make.Classifier();
        var gate = model.named_modules().Select(item => item.module).OfType<GatingNetwork>().Single();
        (gate.Temperature, gate.NoiseScale) = (0.7, 0.2);
        var recorder = new Recorder();

        new Trainer(model, Make.Sgd(0.125), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }, recorder).Fit(Make.Clusters());

        (gate.Temperature, gate.NoiseScale).Should().Be((0.7, 0.2));
        recorder.Steps.Should().OnlyContain(step => step.LearningRate == 0.125 && step.Lambda == 0.01);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(-1)]
    public void A_schedule_that_gives_nonsense_ends_training_before_the_step(double bad)
    {
        foreach (var (name, options) in new (string, TrainerOptions)[]
        {
            ("LearningRate", new() { BatchSize = 20, LearningRate = new Schedule(step => step < 2 ? 0.1 : bad) }),
            ("Lambda", new() { BatchSize = 20, Lambda = new Schedule(step => step < 2 ? 0.1 : bad) }),
        })
        {
            using var model = Make.Classifier();
            Dictionary<string, string> last = [];
            var recorder = new Recorder { AtStep = _ => last = State.Of(model) };

            var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

            fit.Should().Throw<InvalidOperationException>().WithMessage($"Step 2: {name} ({bad}) must be 0 or more, and finite.");
            recorder.Steps.Should().HaveCount(2);
            State.Of(model).Should().Equal(last);
        }
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(1000.0)]
    public void Gradients_are_clipped_to_a_norm_and_reported_as_they_were(double limit)
    {
        using var model = Make.Linear(4, 2);
        var before = State.Numbers(model.weight!).Concat(State.Numbers(model.bias!)).ToArray();
        var data = Make.Curve();
        var recorder = new Recorder();

        // One step of plain descent with rate 1 goes as far as the clipped gradient is long.
        new Trainer(model, Make.Sgd(1), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 1, BatchSize = 64, MaxGradientNorm = limit }, recorder).Fit(data);

        var after = State.Numbers(model.weight!).Concat(State.Numbers(model.bias!)).ToArray();
        var moved = Math.Sqrt(before.Zip(after, (a, b) => (a - b) * (a - b)).Sum());
        var norm = recorder.Steps.Single().GradientNorm;
        norm.Should().BeInRange(0.1, 100);
        moved.Should().BeApproximately(Math.Min(norm, limit), 1e-12);
    }

    [Theory]
    [InlineData(1e6)]
    [InlineData(double.NaN)]
    public void Whatever_padding_holds_changes_nothing(double garbage)
    {
        using var scope = NewDisposeScope();
        var real = Make.Normal(9, 24, 5).lt(0.5);
        var inputs = Make.Normal(1, 24, 5, 4);
        var targets = Make.Normal(2, 24, 5, 4) * real.unsqueeze(-1);
        var spoiled = inputs.masked_fill(real.logical_not().unsqueeze(-1), garbage);

        (Dictionary<string, string> State, Recorder Recorder, EvaluationReport Report, string Output) Train(Tensor x)
        {
            using var model = new Probe(Make.Mixture());
            var recorder = new Recorder();
            var data = new TrainingData(x, targets, real);
            var trainer = new Trainer(model, Make.AdamW(), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 2, BatchSize = 7, Lambda = 0.1 }, recorder);
            trainer.Fit(data, data);
            return (State.Of(model), recorder, trainer.Evaluate(data), State.Bits(trainer.Predict(x, real)));
        }

        var (clean, dirty) = (Train(inputs), Train(spoiled));

        dirty.State.Should().Equal(clean.State);
        dirty.Output.Should().Be(clean.Output);
        dirty.Report.TaskLoss.Should().Be(clean.Report.TaskLoss);
        dirty.Recorder.Steps.Select(step => step.Loss).Should().Equal(clean.Recorder.Steps.Select(step => step.Loss));
        var tokens = State.Numbers(real.sum()).Single();
        dirty.Recorder.Steps.Where(step => step.Epoch == 0).Sum(step => step.Tokens).Should().Be((long)tokens);
        dirty.Report.Routing["layers.0"].Tokens.Should().Be((long)tokens);
    }
}
