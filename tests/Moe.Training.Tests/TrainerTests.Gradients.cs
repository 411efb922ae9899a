using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Gradients that are absent, narrow or beyond measure, and a balance that is.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void An_expert_without_rows_does_not_drift_on_by_the_optimizers_momentum()
    {
        using var scope = NewDisposeScope();
        using var asked = Make.Linear(4, 4, 1);
        using var idle = Make.Linear(4, 4, 2);
        using var model = new MixtureOfExperts(
            new GatingNetwork(new GatingOptions { InputWidth = 4, ExpertCount = 2, TopK = 1 }, dtype: ScalarType.Float64),
            [new ModuleExpert(asked, 4, 4), new ModuleExpert(idle, 4, 4)]);
        using (no_grad())
            model.Network.Weight.copy_(tensor(new double[] { 1, 0, 0, 0, -1, 0, 0, 0 }, [2, 4]));

        // The sign of the inputs decides who is asked: the second expert in the first two steps, the first one from then on.
        var inputs = ones(8, 4, dtype: ScalarType.Float64).neg();
        var states = new List<string> { State.Bits(idle.weight!) };
        var recorder = new Recorder
        {
            AtStep = step =>
            {
                states.Add(State.Bits(idle.weight!));
                inputs.fill_(step.Step < 1 ? -1 : 1);
            },
        };
        new Trainer(model, Make.AdamW(), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 5, BatchSize = 8, Lambda = 0 }, recorder)
            .Fit(new TrainingData(inputs, zeros_like(inputs)));

        states[..3].Should().OnlyHaveUniqueItems();
        states[3..].Should().HaveCount(3).And.OnlyContain(state => state == states[2]);
    }

    [Fact]
    public void The_norm_of_gradients_in_a_narrow_type_is_taken_in_a_wide_one()
    {
        using var scope = NewDisposeScope();
        using var model = Make.Linear(40, 30).to(ScalarType.BFloat16);
        var inputs = Make.Normal(1, 8, 40).to(ScalarType.BFloat16);
        TaskLoss loss = (output, _) => output.square().mean();
        var options = new TrainerOptions { Epochs = 1, BatchSize = 8 };
        var recorder = new Recorder();

        new Trainer(model, Make.Sgd(0), loss, options, recorder).Fit(new TrainingData(inputs, inputs));

        using var order = new EpochOrder(8, options, epoch: 0);
        loss(model.call(inputs.index_select(0, order.Batches(0).Single())), inputs).backward();
        var expected = Math.Sqrt(model.parameters().SelectMany(parameter => State.Numbers(parameter.grad!)).Sum(number => number * number));
        recorder.Steps.Single().GradientNorm.Should().BeApproximately(expected, expected * 1e-6);
    }

    [Fact]
    public void A_balance_that_is_not_finite_is_named_by_its_layer_and_nothing_has_changed()
    {
        using var model = new Probe(
            nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(1), Make.Mixture(2), new ScoreSpoiler(), Make.Linear(4, 3));
        var before = State.Of(model);

        // Without λ the balance is measured, but not learned from.
        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Lambda = 0 }).Fit(Make.Clusters());

        fit.Should().Throw<NonFiniteTrainingException>().Which.Place.Should().Be("the balance of layers.2");
        State.Of(model).Should().Equal(before);
    }

    [Fact]
    public void Gradients_whose_norm_no_number_can_hold_are_named_so()
    {
        using var model = Make.Linear(4, 1);

        var fit = () => new Trainer(model, Make.Sgd(), (output, _) => output.sum() * 1e200).Fit(Make.Curve());

        fit.Should().Throw<NonFiniteTrainingException>().Which.Place.Should().Be("the norm of the gradients");
    }

    /// <summary>Hands its input on, and spoils the scores of the mixture before it: no finite logits give scores that are not.</summary>
    private sealed class ScoreSpoiler() : nn.Module<Tensor, Tensor>(nameof(ScoreSpoiler)), IRoutedModule
    {
        public override Tensor forward(Tensor input) => input.alias();

        public Tensor forward(Tensor input, RoutingPass pass)
        {
            using var scope = NewDisposeScope();
            pass.Layers[^1].Decision.Scores.detach().fill_(double.NaN);
            return scope.MoveToOuter(forward(input));
        }
    }
}
