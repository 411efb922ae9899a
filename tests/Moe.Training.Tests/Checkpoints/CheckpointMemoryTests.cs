using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

public sealed class CheckpointMemoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Saving_and_loading_leave_no_tensor_alive()
    {
        var training = new SmallTraining();
        using var model = training.Model(seed: 1);
        using var optimizer = (OptimizerHelper)training.Optimizer(model.parameters());
        var routed = new RoutedModel(model);

        DisposeScopeManager.Statistics.Reset();
        TrainingCheckpoint.Save(_folder.File(), routed, model.state_dict(), optimizer, new TrainingProgress());
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);

        var (_, best) = TrainingCheckpoint.Load(_folder.File(), routed, optimizer, new Dictionary<string, string>(), needsBest: true);
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(best!.Count, "the best model is handed out");
        foreach (var tensor in best.Values)
            tensor.Dispose();
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    [Fact]
    public void A_refused_file_leaves_no_tensor_alive()
    {
        using var tensor = ones(100);
        AtomicFile.Write(_folder.File(), stream => TensorFile.Write(stream, "", [("a", tensor), ("b", tensor)]));
        var bytes = File.ReadAllBytes(_folder.File());
        bytes[^1] ^= 1;
        File.WriteAllBytes(_folder.File(), bytes);

        DisposeScopeManager.Statistics.Reset();
        var read = () => TensorFile.Read(_folder.File());
        read.Should().Throw<InvalidDataException>().WithMessage("*checksum*");
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    [Fact]
    public void A_training_with_checkpoints_interrupted_and_resumed_leaves_no_tensor_alive()
    {
        var training = new SmallTraining();
        var checkpoint = new CheckpointOptions { Path = _folder.File(), EverySteps = 1 };
        training.Run();
        DisposeScopeManager.Statistics.Reset();
        training.Run(checkpoint, cancelAfter: 6).Result.Should().BeNull();
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
        training.Run(checkpoint, seed: 2).Result.Should().NotBeNull();
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }
}
