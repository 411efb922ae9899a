using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int, bool> Steps
    {
        get
        {
            var steps = new TheoryData<int, bool>();
            for (var step = 0; step <= 3 * SmallTraining.StepsPerEpoch; step++)
            {
                steps.Add(step, true);
                steps.Add(step, false);
            }
            return steps;
        }
    }

    private CheckpointOptions Checkpoint => new() { Path = _folder.File() };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Steps))]
    public void A_training_cancelled_after_any_step_and_resumed_gives_the_bits_of_one_that_was_not(int step, bool keepBest)
    {
        var training = new SmallTraining { Options = new SmallTraining().Options with { KeepBest = keepBest } };
        var expected = training.Run();

        var interrupted = training.Run(Checkpoint, cancelAfter: step);
        interrupted.Result.Should().BeNull();
        interrupted.Observer.Steps.Should().HaveCount(step);
        var resumed = training.Run(Checkpoint, seed: 2);

        resumed.ShouldBe(expected);
        resumed.Observer.Steps.Should().Equal(expected.Observer.Steps.Skip(step));
    }

    [Fact]
    public void What_is_resumed_has_a_bias_a_factor_and_a_K_that_moved()
    {
        // Without this, the bits above might be equal because nothing ever changed.
        var outcome = new SmallTraining { Options = new SmallTraining().Options with { EarlyStoppingPatience = null } }.Run();

        outcome.Parameters["2.gate.selection_bias"].Should().NotBe(new string('0', 32));
        outcome.Result!.Epochs.Select(epoch => epoch.Routing["2"].TopK).Should().Equal(3, 2, 1);
        var schedule = new SmallTraining().Options.Terms[1].Lambda;
        var factors = outcome.Result.Epochs.Select(epoch => epoch.Terms["importance"].Lambda / schedule.At(epoch.Steps - 1)).ToArray();
        factors.Max().Should().BeGreaterThan(1.5, "it rises while K is above 2").And.BeGreaterThan(factors[^1] + 0.2, "and falls again");
    }

    [Fact]
    public void A_training_cancelled_after_every_single_step_still_gives_the_same_bits()
    {
        var training = new SmallTraining();
        var expected = training.Run();
        for (var step = 1; step <= 3 * SmallTraining.StepsPerEpoch; step++)
            training.Run(Checkpoint, seed: step, cancelAfter: step).Result.Should().BeNull();
        training.Run(Checkpoint, seed: 99).ShouldBe(expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Writing_checkpoints_changes_nothing_in_the_training(int everySteps)
    {
        var training = new SmallTraining();
        training.Run(Checkpoint with { EverySteps = everySteps }).ShouldBe(training.Run());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(12)]
    public void Patience_goes_on_counting_where_it_stopped(int step)
    {
        // A learning rate of 0 and every expert asked, whatever its bias: nothing gets better after the first epoch.
        var small = new SmallTraining();
        var training = new SmallTraining { Options = small.Options with { Epochs = 8, LearningRate = 0, Temperature = 1, TopK = 4 } };
        var expected = training.Run();
        expected.Result!.StoppedEarly.Should().BeTrue();
        expected.Result.Epochs.Should().HaveCount(3);

        training.Run(Checkpoint, cancelAfter: step);
        training.Run(Checkpoint, seed: 2).ShouldBe(expected);
        training.Run(Checkpoint, seed: 3).ShouldBe(expected);
    }

    [Fact]
    public void A_training_resumed_after_its_end_returns_the_same_without_a_step()
    {
        var training = new SmallTraining();
        var first = training.Run(Checkpoint);
        var again = training.Run(Checkpoint, seed: 2);
        again.ShouldBe(first);
        again.Observer.Steps.Should().BeEmpty();
    }

    [Fact]
    public void More_epochs_after_the_end_give_the_bits_of_that_many_from_the_start()
    {
        var small = new SmallTraining();
        var longer = new SmallTraining { Options = small.Options with { Epochs = 5, EarlyStoppingPatience = null } };
        var shorter = new SmallTraining { Options = longer.Options with { Epochs = 2 } };
        shorter.Run(Checkpoint).Result!.Epochs.Should().HaveCount(2);
        longer.Run(Checkpoint, seed: 2).ShouldBe(longer.Run());
    }

    [Fact]
    public void Without_resume_a_training_starts_anew_and_replaces_the_file()
    {
        var training = new SmallTraining();
        training.Run(Checkpoint, seed: 5, cancelAfter: 6);
        var anew = training.Run(Checkpoint with { Resume = false });
        anew.ShouldBe(training.Run());
        training.Run(Checkpoint, seed: 3).ShouldBe(anew);
    }

    [Fact]
    public void A_resumed_training_works_inside_a_callers_dispose_scope()
    {
        var training = new SmallTraining();
        var expected = training.Run();
        using var scope = NewDisposeScope();
        training.Run(Checkpoint, cancelAfter: 7);
        training.Run(Checkpoint, seed: 2).ShouldBe(expected);
    }

    [Fact]
    public void A_global_random_number_drawn_after_a_resumed_training_is_the_one_of_the_uninterrupted()
    {
        var training = new SmallTraining();
        training.Run();
        using var expected = rand(4);
        training.Run(Checkpoint, cancelAfter: 3);
        training.Run(Checkpoint, seed: 2);
        using var actual = rand(4);
        actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray());
    }
}
