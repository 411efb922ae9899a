using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

public sealed class OptimizerTests : IDisposable
{
    private static readonly Dictionary<string, Func<IEnumerable<Parameter>, optim.Optimizer>> Optimizers = new()
    {
        ["AdamW"] = parameters => optim.AdamW(parameters, lr: 0.01),
        ["AdamW amsgrad"] = parameters => optim.AdamW(parameters, lr: 0.01, amsgrad: true),
        ["Adam"] = parameters => optim.Adam(parameters, lr: 0.01, weight_decay: 0.01),
        ["Adam amsgrad"] = parameters => optim.Adam(parameters, lr: 0.01, amsgrad: true),
        ["SGD"] = parameters => optim.SGD(parameters, 0.1),
        ["SGD momentum"] = parameters => optim.SGD(parameters, 0.1, momentum: 0.9, nesterov: true),
        ["NAdam"] = parameters => optim.NAdam(parameters, lr: 0.01),
        ["RAdam"] = parameters => optim.RAdam(parameters, lr: 0.01),
        ["Adamax"] = parameters => optim.Adamax(parameters, lr: 0.01),
        ["Adadelta"] = parameters => optim.Adadelta(parameters),
        ["Adagrad"] = parameters => optim.Adagrad(parameters, lr: 0.1, lr_decay: 0.01),
        ["ASGD"] = parameters => optim.ASGD(parameters, lr: 0.1, t0: 3),
        ["RMSProp"] = parameters => optim.RMSProp(parameters, lr: 0.01),
        ["RMSProp centred momentum"] = parameters => optim.RMSProp(parameters, lr: 0.01, momentum: 0.9, centered: true),
        ["Rprop"] = parameters => optim.Rprop(parameters, lr: 0.01),
    };

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void A_training_resumes_bit_for_bit_with(string name)
    {
        var training = Training(Optimizers[name]);
        var expected = training.Run();
        foreach (var step in new[] { 1, 5, 8 })
        {
            var checkpoint = new CheckpointOptions { Path = _folder.File($"{step}.ckpt") };
            training.Run(checkpoint, cancelAfter: step);
            training.Run(checkpoint, seed: 2).ShouldBe(expected);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Inside_a_callers_dispose_scope_a_training_resumes_bit_for_bit_with(string name)
    {
        var training = Training(Optimizers[name]);
        var checkpoint = new CheckpointOptions { Path = _folder.File() };
        var expected = training.Run();
        using (NewDisposeScope())
            training.Run(checkpoint, cancelAfter: 5);
        using (NewDisposeScope())
            training.Run(checkpoint, seed: 2).ShouldBe(expected);
    }

    [Fact]
    public void Two_groups_with_learning_rates_of_their_own_resume_bit_for_bit()
    {
        var training = Training(parameters => new AdamW(
            [
                new AdamW.ParamGroup(parameters.Take(2), new AdamW.Options { LearningRate = 0.1 }),
                new AdamW.ParamGroup(parameters.Skip(2), new AdamW.Options { LearningRate = 0.01 }),
            ]));
        var checkpoint = new CheckpointOptions { Path = _folder.File() };
        var expected = training.Run();
        training.Run(checkpoint, cancelAfter: 6);
        training.Run(checkpoint, seed: 2).ShouldBe(expected);
    }

    [Fact]
    public void An_optimizer_that_hides_its_state_is_refused_before_the_first_step()
    {
        var training = Training(parameters => optim.LBFGS(parameters));
        var run = () => training.Run(new CheckpointOptions { Path = _folder.File() });
        run.Should().Throw<NotSupportedException>().WithMessage("LBFGS cannot be used here: *");
        _folder.Names().Should().BeEmpty();
    }

    /// <summary>No schedule of the learning rate: it is part of the optimizer's state too. The last parameters count, not the best.</summary>
    private static SmallTraining Training(Func<IEnumerable<Parameter>, optim.Optimizer> optimizer) => new()
    {
        Optimizer = optimizer,
        Options = new SmallTraining().Options with { LearningRate = null, EarlyStoppingPatience = null, KeepBest = false },
    };
}
