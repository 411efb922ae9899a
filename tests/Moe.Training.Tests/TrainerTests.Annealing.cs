using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>From dense to sparse: K by schedule. And gates that choose by a table.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void K_follows_its_schedule_rounded_to_the_nearest_in_every_gate()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2, Make.Gating with { ExpertCount = 6 }), Make.Linear(4, 3));
        var recorder = new Recorder();
        var options = new TrainerOptions { Epochs = 2, BatchSize = 20, TopK = Schedule.Linear(4, 1.4, 5) };

        var result = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters(), Make.Clusters());

        // 4, 3.48, 2.96, 2.44, 1.92, 1.4.
        int[] expected = [4, 3, 3, 2, 2, 1];
        recorder.Steps.Select(step => step.Routing["layers.0"].TopK).Should().Equal(expected);
        recorder.Steps.Should().OnlyContain(step => step.Routing["layers.1"].Assigned.Sum() == 20 * step.Routing["layers.0"].TopK);

        // An epoch joins them, and is judged with the last.
        result.Epochs.Select(epoch => epoch.Routing["layers.0"].TopK).Should().Equal(4, 2);
        result.Epochs.Select(epoch => epoch.Routing["layers.0"].Assigned.Sum()).Should().Equal(20 * 10, 20 * 5);
        result.Epochs.Select(epoch => epoch.Validation!.Routing["layers.0"].TopK).Should().Equal(3, 1);
    }

    [Fact]
    public void Half_an_expert_counts_as_a_whole_one_and_the_gate_refuses_what_it_cannot_do()
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();

        // A gate has four.
        var options = new TrainerOptions { Epochs = 1, BatchSize = 20, TopK = new Schedule(step => step + 2.5) };
        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        fit.Should().Throw<ArgumentException>().WithMessage("*TopK (5) must lie between 1 and ExpertCount (4).*");
        recorder.Steps.Select(step => step.Routing["0"].TopK).Should().Equal(3, 4);
    }

    [Theory]
    [InlineData(0.4)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_K_that_is_none_is_refused_before_the_step(double bad)
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { TopK = bad }, recorder).Fit(Make.Clusters());

        fit.Should().Throw<ArgumentException>().WithMessage("*TopK (*) must lie between 1 and ExpertCount (4).*");
        recorder.Steps.Should().BeEmpty();
    }

    [Fact]
    public void The_best_model_keeps_the_K_that_it_was_judged_with()
    {
        using var model = Make.Classifier();
        var scores = new Queue<double>([0.1, 0.9, 0.2, 0.3]);
        var metric = new Metric("script", (_, _) => scores.TryDequeue(out var score) ? score : 0, HigherIsBetter: true);
        var options = new TrainerOptions { Epochs = 4, BatchSize = 60, KeepBest = true, Metrics = [metric], Monitor = metric, TopK = new Schedule(step => 4 - step) };
        var trainer = new Trainer(model, Make.AdamW(0.1), TaskLosses.CrossEntropy, options);

        var result = trainer.Fit(Make.Clusters(), Make.Clusters(seed: 2));

        result.BestEpoch.Should().Be(1);
        ((MixtureOfExperts)model.children().First()).Network.TopK.Should().Be(3);
        trainer.Evaluate(Make.Clusters(seed: 2)).TaskLoss.Should().Be(result.Epochs[1].Validation!.TaskLoss);
    }

    [Fact]
    public void Token_ids_reach_gates_that_choose_by_a_table_wherever_a_trainer_runs_the_model()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture(1, PublishedGates.Hash(4, 4, vocabularySize: 6));
        using var model = new Probe(layer);
        using (no_grad())
            layer.Network.Table!.copy_(tensor(new long[] { 0, 0, 0, 1, 1, 2 }, [6, 1]));
        var x = Make.Normal(1, 12, 2, 4);
        var ids = tensor(Enumerable.Range(0, 24).Select(index => (long)(index % 6)).ToArray(), [12, 2]);
        var mask = ones_like(ids).to(ScalarType.Bool);
        mask[0, 1] = false;
        var data = new TrainingData(x, x, mask, ids);
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 1, BatchSize = 5 });

        var epoch = trainer.Fit(data, data).Epochs.Single();

        // Each id four times; the padding was one of id 1.
        epoch.Routing["layers.0"].Assigned.Should().Equal(11, 8, 4, 0);
        epoch.Validation!.Routing["layers.0"].Assigned.Should().Equal(11, 8, 4, 0);
        trainer.Predict(x, mask, ids).shape.Should().Equal(12, 2, 4);
        trainer.Invoking(t => t.Fit(new TrainingData(x, x, mask))).Should().Throw<ArgumentException>().WithMessage("*TokenIds*");
    }
}
