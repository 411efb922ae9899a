using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>The counts of an optimizer step, over micro-batches and processes.</summary>
public sealed partial class TrainerTests
{
    private static readonly BalanceTerm Global = new(new LoadBalance(LoadBalanceOptions.GlobalBatch), 1) { Name = "global" };

    [Fact]
    public void Under_accumulation_f_is_of_the_micro_batches_so_far_and_p_of_the_one_at_hand()
    {
        using var scope = NewDisposeScope();
        using var model = Make.Classifier();
        var data = Make.Clusters();
        var options = new TrainerOptions { Epochs = 1, BatchSize = 25, AccumulationSteps = 3, Lambda = 0, Terms = [Global] };
        var recorder = new Recorder();
        var expected = 0.0;

        // 25, 25 and the 10 that are left, by hand: softmax and counting.
        var (layer, counts) = ((MixtureOfExperts)model.children().First(), new double[4]);
        using var order = new EpochOrder(60, options, epoch: 0);
        foreach (var batch in order.Batches(0))
        {
            var logits = State.Numbers(data.Inputs.index_select(0, batch).matmul(layer.Network.Weight.t())).Chunk(4).ToArray();
            foreach (var row in logits)
            {
                foreach (var best in Enumerable.Range(0, 4).OrderByDescending(expert => row[expert]).Take(2))
                    counts[best]++;
            }
            var p = Enumerable.Range(0, 4).Select(expert => logits.Average(row => Math.Exp(row[expert]) / row.Sum(Math.Exp)));
            expected += logits.Length / 60.0 * 4 * p.Zip(counts, (mean, count) => mean * count / counts.Sum()).Sum();
        }

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(data);

        recorder.Steps.Single().Terms["global"].Value.Should().BeApproximately(expected, 1e-12);
        recorder.Steps.Single().Routing["0"].Assigned.Should().Equal(counts.Select(count => (long)count));
    }

    [Fact]
    public void The_last_of_many_micro_batches_sees_the_counts_of_one_big_batch()
    {
        var (many, one) = (Train(15, 4), Train(60, 1));

        many.Should().HaveCount(8);
        one.Should().HaveCount(2);
        many.Select(counts => counts.Sum()).Should().Equal(30, 60, 90, 120, 30, 60, 90, 120);
        many[3].Should().Equal(one[0]);

        // With nothing learned, the second step differs in its order only.
        many[7].Should().Equal(one[1]);

        static List<long[]> Train(int size, int parts)
        {
            using var model = Make.Classifier();
            var seen = new List<long[]>();
            var watching = GivenLoss.Watching((layers, batch) =>
            {
                if (model.training)
                    seen.Add([.. batch!.Assigned(layers.Single().Layer)]);
                else
                    batch.Should().BeNull("each batch of an evaluation is judged by itself");
            });
            var options = new TrainerOptions { Epochs = 2, BatchSize = size, AccumulationSteps = parts, Terms = [new(watching, 1)] };
            new Trainer(model, Make.Sgd(0), TaskLosses.CrossEntropy, options).Fit(Make.Clusters(), Make.Clusters());
            return seen;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Micro_batches_that_are_alike_have_the_loss_and_the_gradients_of_one_big_batch(int copies)
    {
        using var scope = NewDisposeScope();
        var (x, y) = (Make.Normal(1, 1, 8, 4), Make.Normal(2, 1, 8, 4));
        var data = new TrainingData(x.repeat(copies, 1, 1), y.repeat(copies, 1, 1));

        var (many, one) = (Train(1, copies), Train(copies, 1));

        many.Step.Terms["global"].Value.Should().BeApproximately(one.Step.Terms["global"].Value, 1e-12);
        foreach (var (name, values) in many.State)
            values.Should().Equal(one.State[name], (a, b) => Math.Abs(a - b) < 1e-12);

        (StepReport Step, Dictionary<string, double[]> State) Train(int size, int parts)
        {
            using var model = new Probe(Make.Mixture());
            var recorder = new Recorder();
            var options = new TrainerOptions { Epochs = 1, BatchSize = size, AccumulationSteps = parts, Terms = [Global] };
            new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options, recorder).Fit(data);
            return (recorder.Steps.Single(), model.state_dict().ToDictionary(item => item.Key, item => State.Numbers(item.Value)));
        }
    }

    [Fact]
    public void A_forward_that_is_run_again_without_a_pass_counts_nothing()
    {
        using var layer = Make.Mixture(1, Make.Gating with { SelectionBias = true });
        using var model = new Probe(layer, Make.Linear(4, 3));
        var balancer = new WatchedBalancer();
        var recorder = new Recorder();
        model.Before = (_, input) =>
        {
            using var again = layer.forward(input);
            return input;
        };
        var options = new TrainerOptions { Epochs = 1, BatchSize = 20, AccumulationSteps = 3, Terms = [Global], SelectionBalancer = balancer };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        recorder.Steps.Single().Routing["layers.0"].Tokens.Should().Be(60);
        balancer.Updates.Single().Counts.Sum().Should().Be(120);
    }

    [Fact]
    public void Counts_biases_and_factors_are_those_of_all_processes()
    {
        using var model = Make.Classifier(options: Make.Gating with { SelectionBias = true });
        var processes = GivenProcesses.Twin();
        var recorder = new Recorder();
        long[] seen = [];
        var options = new TrainerOptions
        {
            Epochs = 1,
            BatchSize = 20,
            AccumulationSteps = 3,
            Processes = processes,
            Terms = [new(new RouterZLoss(), 1, new GivenRule((factor, step) =>
            {
                seen = [.. step.Single().Assigned];
                return factor;
            }))],
        };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        var step = recorder.Steps.Single();
        step.Routing["0"].Tokens.Should().Be(120);
        step.Routing["0"].Assigned.Sum().Should().Be(240);
        seen.Should().Equal(step.Routing["0"].Assigned);
        step.Tokens.Should().Be(60, "speed is that of the process");

        // Three decisions, the layer's health, whether all take the step, the bias.
        processes.Lengths.Should().Equal(9, 9, 9, 3, 1, 4);
    }

    [Fact]
    public void A_step_that_another_process_cannot_take_is_skipped_here_too()
    {
        using var model = Make.Classifier(options: Make.Gating with { SelectionBias = true });
        var before = State.Of(model);
        var recorder = new Recorder();
        var failing = new GivenProcesses(values => values.Length == 1 ? [1] : values);
        var options = new TrainerOptions { Epochs = 1, Processes = failing, OnNonFinite = NonFiniteAction.SkipStep };

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        recorder.Steps.Should().OnlyContain(step => step.SkippedBecause == "something in another process is NaN or infinite");
        State.Of(model).Should().Equal(before);
    }

    [Fact]
    public void Logits_that_are_not_finite_cannot_be_skipped_while_other_processes_wait()
    {
        using var model = new Probe(Make.Mixture(), Make.Linear(4, 3)) { Before = (number, input) => number == 1 ? input * double.NaN : input };
        var options = new TrainerOptions { Epochs = 1, BatchSize = 20, Processes = GivenProcesses.Twin(), OnNonFinite = NonFiniteAction.SkipStep };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options).Fit(Make.Clusters());

        fit.Should().Throw<NonFiniteTrainingException>().Which.Place.Should().Be("a logit of layers.0.gate");
    }
}
