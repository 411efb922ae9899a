using Moe.Core;

namespace Moe.Training;

/// <summary>What a training does about a collapse. Responses combine: <c>AlarmResponse.MultiplyLambda(2) with { Revival = new() }</c>.</summary>
public sealed record AlarmResponse
{
    /// <summary>Nothing but telling: the training goes on as it is.</summary>
    public static AlarmResponse Warn { get; } = new();

    /// <summary>The training ends, normally, with <see cref="TrainingResult.StoppedBy"/>.</summary>
    public static AlarmResponse Stop { get; } = new() { StopsTraining = true };

    /// <summary>A factor on λ of the balance from the next step on, on top of earlier ones; a λ of 0 stays 0. Where several mixtures alert at once, the largest factor counts, once.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double LambdaFactor { get; init; } = 1;

    /// <summary>How the mixture's dead experts are made copies of its busiest (<see cref="ExpertRevival.ReviveDead"/>) before the next step; the noise is a function of seed and step.</summary>
    /// <value>The default is null: they are not. A mixture that is not fit for it ends the training with an exception that says why.</value>
    public ExpertRevivalOptions? Revival { get; init; }

    /// <summary>Whether the training ends before the next step.</summary>
    /// <value>The default is false.</value>
    public bool StopsTraining { get; init; }

    /// <summary>Weighs balance more from now on.</summary>
    /// <param name="factor">The factor on λ.</param>
    /// <returns>The response.</returns>
    public static AlarmResponse MultiplyLambda(double factor) => new() { LambdaFactor = factor };

    /// <summary>Brings dead experts back.</summary>
    /// <param name="options">How much the copies differ; the defaults when null.</param>
    /// <returns>The response.</returns>
    public static AlarmResponse Revive(ExpertRevivalOptions? options = null) => new() { Revival = options ?? new ExpertRevivalOptions() };
}
