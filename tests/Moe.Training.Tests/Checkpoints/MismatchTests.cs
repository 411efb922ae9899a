using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

/// <summary>A checkpoint that does not fit is refused with all that is wrong, and leaves everything as it was.</summary>
public sealed class MismatchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path => _folder.File();

    private static SmallTraining Small => new() { Options = new SmallTraining().Options with { EarlyStoppingPatience = null } };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_difference_is_in_one_message()
    {
        Save(Small);
        var other = new SmallTraining
        {
            Gates = 2,
            HiddenWidth = 9,
            Optimizer = parameters => optim.SGD(parameters, 0.1),
            Options = Small.Options with { Seed = 5, BatchSize = 4, AccumulationSteps = 3, Monitor = Metric.Accuracy },
        };
        Refusal(other).Should().Contain(Path)
            .And.Contain("Seed was 0, is 5")
            .And.Contain("BatchSize was 3, is 4")
            .And.Contain("AccumulationSteps was 2, is 3")
            .And.Contain("Monitor was the task's loss, is accuracy")
            .And.Contain("the optimizer was AdamW of").And.Contain("is SGD of")
            .And.Contain("the model: 0.weight was Float32 [8, 4], is Float32 [9, 4]")
            .And.Contain("the model lacks 4.weight")
            .And.Contain("the best model: 0.weight was Float32 [8, 4], is Float32 [9, 4]")
            .And.Contain("the random states of the gates lacks 1");
    }

    [Fact]
    public void Other_validation_data_is_refused_since_the_best_so_far_was_judged_by_the_old()
    {
        using var model = Make.Classifier();
        var options = new TrainerOptions { Epochs = 1, Checkpoint = new CheckpointOptions { Path = Path } };
        new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, options).Fit(Make.Clusters(), Make.Clusters(30));

        var resume = () => new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, options with { Epochs = 2 }).Fit(Make.Clusters(), Make.Clusters(24));

        resume.Should().Throw<InvalidDataException>().WithMessage("*validation samples was 30, is 24.");
    }

    [Fact]
    public void What_a_checkpoint_from_before_terms_and_alarms_does_not_say_is_as_at_the_start()
    {
        const string earlier = """
            {"Epoch":1,"StepInEpoch":1,"Step":4,"Sums":{"TaskLoss":1.5,"Balance":2,"Loss":1.6,"Samples":6,"Tokens":6,"Seconds":0.1,
            "Routing":{"0":{"Load":[4,2],"Assigned":[4,2],"Tokens":6,"TopK":1}}},
            "History":[{"Epoch":0,"Steps":3,"Loss":1,"TaskLoss":1,"Balance":1,"Validation":{"TaskLoss":1,"Balance":1,"Metrics":{},"Routing":{}},
            "Routing":{"0":{"Load":[9,9],"Assigned":[9,9],"Tokens":18,"TopK":1}},"IsBest":true,"TokensPerSecond":60,"Elapsed":"00:00:01"}],
            "BestEpoch":0,"BestValue":1,"StoppedEarly":false,"ElapsedSeconds":1.1,"Settings":{"Seed":"0"}}
            """;

        var progress = TrainingProgress.FromJson("file", earlier);

        (progress.Epoch, progress.Step, progress.RaisedLambda, progress.StoppedBy).Should().Be((1, 4L, 1.0, null));
        (progress.Factors.Count, progress.Window.Steps, progress.Window.Routing.Count).Should().Be((0, 0, 0));
        (progress.Sums.Samples, progress.Sums.Terms.Count, progress.Sums.Health.Count).Should().Be((6L, 0, 0));
        (progress.History[0].Terms.Count, progress.History[0].Health.Count, progress.History[0].Validation!.Terms.Count).Should().Be((0, 0, 0));
    }

    [Fact]
    public void What_is_superfluous_is_named_too()
    {
        Save(new SmallTraining { Gates = 2, Options = Small.Options });
        Refusal(Small).Should().Contain("the model has 4.weight, which is not there now")
            .And.Contain("the random states of the gates has 1, which is not there now");
    }

    [Theory]
    [InlineData("optimizer", "the state of the optimizer is missing")]
    [InlineData("random.global", "the random state of torch lacks its bytes")]
    [InlineData("random.gate.0", "the random states of the gates lacks 0")]
    [InlineData("model.0.bias", "the model lacks 0.bias")]
    [InlineData("best.0.bias", "the best model lacks 0.bias")]
    public void A_missing_tensor_is_named(string name, string expected)
    {
        Save(Small);
        Rewrite(tensors => tensors.Remove(name).Should().BeTrue());
        Refusal(Small).Should().Contain(expected);
    }

    [Theory]
    [InlineData("optimizer", "the state of the optimizer was Float32 [2], should be Byte [length]")]
    [InlineData("random.global", "the random state of torch: its bytes was Float32 [2], is Byte")]
    [InlineData("random.gate.0", "the random states of the gates: 0 was Float32 [2], is Byte")]
    [InlineData("model.0.bias", "the model: 0.bias was Float32 [2], is Float32 [8]")]
    [InlineData("surprise", "surprise belongs to nothing")]
    public void A_tensor_of_another_kind_is_named_and_does_not_reach_native_code(string name, string expected)
    {
        Save(Small);
        using var other = zeros(2);
        Rewrite(tensors => tensors[name] = other);
        Refusal(Small).Should().Contain(expected);
    }

    [Fact]
    public void A_type_that_would_be_cast_in_silence_is_refused()
    {
        Save(Small);
        using var doubles = zeros(8, dtype: ScalarType.Float64);
        Rewrite(tensors => tensors["model.0.bias"] = doubles);
        Refusal(Small).Should().Contain("the model: 0.bias was Float64 [8], is Float32 [8]");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(500)]
    [InlineData(-1)]
    public void A_state_of_the_optimizer_that_ends_too_soon_or_too_late_is_refused(int length)
    {
        Save(Small);
        using var scope = NewDisposeScope();
        Rewrite(tensors => tensors["optimizer"] = length < 0
            ? cat([tensors["optimizer"], zeros(3, dtype: ScalarType.Byte)])
            : tensors["optimizer"].narrow(0, 0, length).clone());
        Refusal(Small).Should().Contain("the state of the optimizer does not fit AdamW");
    }

    [Fact]
    public void An_optimizer_with_its_parameters_in_another_order_is_refused()
    {
        Save(Small);
        var turned = new SmallTraining { Options = Small.Options, Optimizer = parameters => optim.AdamW(parameters.Reverse(), lr: 0.01) };
        Refusal(turned).Should().Contain("the state of the optimizer does not fit AdamW");
    }

    [Fact]
    public void A_best_model_that_was_not_kept_is_missed()
    {
        Save(new SmallTraining { Options = Small.Options with { KeepBest = false } });
        Refusal(Small).Should().Contain("the best model, of epoch").And.Contain("was not kept");
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"Epoch":-1}""")]
    [InlineData("""{"Epoch":2}""")]
    [InlineData("""{"StepInEpoch":5}""")]
    [InlineData("""{"Factors":{"importance":-1}}""")]
    [InlineData("""{"Factors":{"importance":"NaN"}}""")]
    [InlineData("""{"Factors":null}""")]
    [InlineData("""{"History":null}""")]
    [InlineData("""{"Sums":{"Routing":{"2":{"Load":[1],"Assigned":[2,3],"Tokens":4,"TopK":1}}}}""")]
    public void Progress_that_makes_no_sense_is_refused(string text)
    {
        Save(Small);
        Rewrite(_ => { }, text);
        Refusal(Small).Should().Contain("does not say where a training stands");
    }

    /// <summary>A checkpoint from the middle of a training, after the first epoch.</summary>
    private void Save(SmallTraining training) => training.Run(new CheckpointOptions { Path = Path }, cancelAfter: 6).Result.Should().BeNull();

    private void Rewrite(Action<Dictionary<string, Tensor>> change, string? otherText = null)
    {
        using var scope = NewDisposeScope();
        var (text, tensors) = TensorFile.Read(Path);
        scope.Attach(tensors.Values);
        change(tensors);
        AtomicFile.Write(Path, stream => TensorFile.Write(stream, otherText ?? text, [.. tensors.Select(item => (item.Key, item.Value))]));
    }

    /// <summary>The message of the refusal, once it is sure that model, optimizer, random states and file are what they were.</summary>
    private string Refusal(SmallTraining training)
    {
        using var model = training.Model(seed: 3);
        using var data = new SmallTraining.Data();
        using var optimizer = (OptimizerHelper)training.Optimizer(model.parameters());
        var routed = new RoutedModel(model);
        var file = File.ReadAllBytes(Path);
        var before = State();

        using var run = new TrainingRun(
            routed, optimizer, new Objective(TaskLosses.CrossEntropy), training.Options with { Checkpoint = new() { Path = Path } }, [], data.Training, data.Validation);
        var message = ((Action)(() => run.Go(CancellationToken.None))).Should().Throw<InvalidDataException>().Which.Message;

        State().Should().Equal(before);
        File.ReadAllBytes(Path).Should().Equal(file);
        return message;

        Dictionary<string, string> State()
        {
            using var scope = NewDisposeScope();
            var state = SmallTraining.Parameters(model);
            state["optimizer"] = Convert.ToHexString(OptimizerState.ToBytes(optimizer).bytes);
            state["global"] = Convert.ToHexString(get_rng_state().bytes);
            foreach (var (index, generator) in routed.Generators.Index())
                state[$"gate {index}"] = Convert.ToHexString(generator.get_state().bytes);
            return state;
        }
    }
}
