using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>NaN and infinity: named, and nothing half done.</summary>
public sealed partial class TrainerTests
{
    private const int BadStep = 2;

    /// <summary>What spoils step 2, and what it must be called.</summary>
    public static TheoryData<string, string> Spoilers => new()
    {
        { "loss", "the task's loss" },
        { "logits", "a logit of layers.1.gate" },
        { "gradient", "the gradient of layers.2.weight" },
        { "infinite gradient", "the gradient of layers.2.bias" },
    };

    [Theory]
    [MemberData(nameof(Spoilers))]
    public void It_stops_with_step_and_place_and_everything_as_it_was_before(string spoiler, string place)
    {
        var run = new SpoiledRun(spoiler, NonFiniteAction.Stop);

        var exception = run.Invoking(r => r.Fit()).Should().Throw<NonFiniteTrainingException>().Which;

        (exception.Step, exception.Place).Should().Be((BadStep, place));
        exception.Message.Should().Be($"Step 2: {place} is NaN or infinite. The parameters are those of the step before.");
        run.Recorder.Steps.Should().HaveCount(BadStep);
        State.Of(run.Model).Should().Equal(run.Models[^1]);
        run.Model.training.Should().BeTrue();
        run.Model.parameters().Select(parameter => parameter.grad is null).Should().NotContain(false);
    }

    [Theory]
    [MemberData(nameof(Spoilers))]
    public void It_skips_exactly_that_step_if_asked_to_and_says_so(string spoiler, string place)
    {
        var run = new SpoiledRun(spoiler, NonFiniteAction.SkipStep);

        var result = run.Fit();

        result.Steps.Should().Be(6);
        run.Recorder.Steps.Select(step => step.SkippedBecause).Should().Equal(null, null, $"{place} is NaN or infinite", null, null, null);
        run.Models[BadStep].Should().Equal(run.Models[BadStep - 1]);
        run.Optimizers[BadStep].Should().Be(run.Optimizers[BadStep - 1]);
        for (var step = 0; step < 6; step++)
        {
            if (step is BadStep or 0)
                continue;
            run.Models[step].Should().NotEqual(run.Models[step - 1]);
            run.Optimizers[step].Should().NotBe(run.Optimizers[step - 1]);
        }

        // Sums of an epoch leave it out.
        var taken = run.Recorder.Steps.Where(step => step.SkippedBecause is null).Take(2).ToArray();
        run.Recorder.Epochs[0].TaskLoss.Should().BeApproximately(taken.Average(step => step.TaskLoss), 1e-12);
        run.Recorder.Epochs[0].Routing["layers.1"].Tokens.Should().Be(40);
    }

    [Fact]
    public void An_epoch_in_which_every_step_was_skipped_has_no_loss()
    {
        using var model = Make.Classifier();

        var epoch = new Trainer(
            model, Make.Sgd(), (o, t) => TaskLosses.CrossEntropy(o, t) * double.NaN, new TrainerOptions { Epochs = 1, OnNonFinite = NonFiniteAction.SkipStep })
            .Fit(Make.Clusters()).Epochs.Single();

        new[] { epoch.Loss, epoch.TaskLoss, epoch.Balance }.Should().AllBeEquivalentTo(double.NaN);
        epoch.Routing.Should().BeEmpty();
    }

    [Fact]
    public void An_infinite_gradient_of_a_finite_loss_is_found()
    {
        using var model = Make.Linear(4, 1);
        var data = Make.Curve();

        // √ at 0: the loss is 0, its slope infinite.
        var fit = () => new Trainer(model, Make.Sgd(), (o, _) => (o.relu() * 0).sqrt().sum()).Fit(data);

        fit.Should().Throw<NonFiniteTrainingException>().Which.Place.Should().StartWith("the gradient of ");
    }

    [Fact]
    public void An_exception_in_the_loss_leaves_the_statistics_of_the_forward_pass_as_they_were()
    {
        using var model = new RoutedSequential(nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(), Make.Linear(4, 3));
        var before = State.Of(model);

        var fit = () => new Trainer(model, Make.Sgd(), (_, _) => throw new InvalidOperationException("no loss today")).Fit(Make.Clusters());

        fit.Should().Throw<InvalidOperationException>().WithMessage("no loss today");
        State.Of(model).Should().Equal(before);
    }

    [Fact]
    public void The_exception_has_the_usual_constructors()
    {
        new NonFiniteTrainingException().Place.Should().BeEmpty();
        new NonFiniteTrainingException("m").Message.Should().Be("m");
        new NonFiniteTrainingException("m", new InvalidOperationException()).InnerException.Should().BeOfType<InvalidOperationException>();
    }

    /// <summary>Batch normalisation (which moves its statistics in a forward pass), a mixture and a read-out, over 2 epochs of 3 steps of 20.</summary>
    private sealed class SpoiledRun
    {
        private readonly string _spoiler;
        private readonly NonFiniteAction _action;
        private readonly Linear _readOut = Make.Linear(4, 3, 7);
        private readonly MixtureOfExperts _mixture = Make.Mixture();
        private optim.Optimizer? _optimizer;

        public SpoiledRun(string spoiler, NonFiniteAction action)
        {
            (_spoiler, _action) = (spoiler, action);
            Model = new Probe(nn.BatchNorm1d(4, dtype: ScalarType.Float64), _mixture, _readOut);
            Recorder = new Recorder { AtStep = _ => Note() };
            if (spoiler == "logits")
                Model.Before = (number, input) => Bad(number) ? input * double.NaN : input;
        }

        public Probe Model { get; }

        public Recorder Recorder { get; }

        public List<Dictionary<string, string>> Models { get; } = [];

        public List<string> Optimizers { get; } = [];

        public TrainingResult Fit() => new Trainer(
            Model, parameters => _optimizer = optim.AdamW(parameters, 0.01), Loss, new TrainerOptions { Epochs = 2, BatchSize = 20, OnNonFinite = _action }, Recorder)
            .Fit(Make.Clusters());

        private static bool Bad(int forward) => forward == BadStep;

        private void Note()
        {
            Models.Add(State.Of(Model));
            Optimizers.Add(State.Of(_optimizer!));
        }

        private Tensor Loss(Tensor output, Tensor target)
        {
            var loss = TaskLosses.CrossEntropy(output, target);
            if (!Bad(Model.Forwards - 1))
                return loss;

            // What is added is 0; its slope is 0 · ∞ or ∞.
            return _spoiler switch
            {
                "loss" => loss * double.NaN,
                "gradient" => loss + (_readOut.weight! * 0).sqrt().sum(),
                "infinite gradient" => loss + (_readOut.bias! - _readOut.bias!.detach()).sqrt().sum(),
                _ => loss,
            };
        }
    }
}
