using Moe.Core;

namespace Moe.Training;

/// <summary>Where and when a trainer writes checkpoints.</summary>
/// <remarks>
/// <para>Besides every so many steps, one is written after each epoch, on cancellation, and at the end. There is one file,
/// replaced as a whole: a process that is killed while it writes leaves the file before.</para>
/// <para>A resumed training must have the same model, training and validation data, seed, batches, monitored value and kind of optimizer; it may have more epochs. The
/// optimizer's own settings come back from the file, the learning rate too unless <see cref="TrainerOptions.LearningRate"/> is given.</para>
/// <para>All of TorchSharp's optimizers resume bit for bit except LBFGS, which gives its state away to nobody and is refused with a
/// <see cref="NotSupportedException"/> before the first step, as is any optimizer that is not an <see cref="TorchSharp.Modules.OptimizerHelper"/>.</para>
/// </remarks>
public sealed record CheckpointOptions
{
    /// <summary>The file. Its folder is made if need be; while writing, a second file with <c>.tmp</c> appended lies beside it.</summary>
    /// <value>Required. Not empty.</value>
    public required string Path { get; init; }

    /// <summary>Writes after every so many optimizer steps too.</summary>
    /// <value>The default is null: after each epoch only. Range: at least 1.</value>
    public int? EverySteps { get; init; }

    /// <summary>Whether training goes on from the file if there is one, or starts anew and replaces it.</summary>
    /// <value>The default is true.</value>
    public bool Resume { get; init; } = true;

    internal void Check(OptionFailures failures) => failures
        .Require(!string.IsNullOrWhiteSpace(Path), $"Checkpoint.Path (\"{Path}\") must name a file.")
        .Require(EverySteps is null or >= 1, $"Checkpoint.EverySteps ({EverySteps}) must be at least 1, or null.");
}
