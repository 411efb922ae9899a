using Moe.Core;

namespace Moe.Classical;

/// <summary>How a network is trained.</summary>
public sealed record NetworkOptions
{
    /// <summary>Passes over the rows.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int Epochs { get; init; } = 100;

    /// <summary>Passes over the rows when the fit starts from a previous expert: a few make a mixture's fit generalised EM.</summary>
    /// <value>The default is 10. Range: at least 1.</value>
    public int WarmEpochs { get; init; } = 10;

    /// <summary>Rows a step.</summary>
    /// <value>The default is 64. Range: at least 1.</value>
    public int BatchRows { get; init; } = 64;

    /// <summary>Step size of AdamW.</summary>
    /// <value>The default is 0.01. Range: above 0.</value>
    public double LearningRate { get; init; } = 0.01;

    /// <summary>Decay of weights of AdamW, as a share of the learning rate.</summary>
    /// <value>The default is 1e-4. Range: at least 0.</value>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>Share of the rows that is not trained on but watched, for the epoch with the lowest loss there; 0 for none.</summary>
    /// <value>The default is 0. Range: from 0 to 0.5.</value>
    public double ValidationShare { get; init; }

    /// <summary>With a validation share: training stops after so many epochs without a lower loss.</summary>
    /// <value>The default is 10. Range: at least 1.</value>
    public int Patience { get; init; } = 10;

    /// <summary>Under which name <see cref="NetworkFactories"/> knows the factory, which a stored network is rebuilt with; null if it is not to be stored.</summary>
    /// <value>The default is null.</value>
    public string? FactoryName { get; init; }

    internal void Validate(string name) => new OptionFailures(nameof(NetworkOptions))
        .Require(Epochs >= 1, $"Epochs is {Epochs}; it must be at least 1.")
        .Require(WarmEpochs >= 1, $"WarmEpochs is {WarmEpochs}; it must be at least 1.")
        .Require(BatchRows >= 1, $"BatchRows is {BatchRows}; it must be at least 1.")
        .Require(LearningRate > 0 && double.IsFinite(LearningRate), $"LearningRate is {LearningRate}; it must be above 0.")
        .Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), $"WeightDecay is {WeightDecay}; it must be at least 0.")
        .Require(ValidationShare is >= 0 and <= 0.5, $"ValidationShare is {ValidationShare}; it must be from 0 to 0.5.")
        .Require(Patience >= 1, $"Patience is {Patience}; it must be at least 1.")
        .Require(FactoryName is null || !string.IsNullOrWhiteSpace(FactoryName), "FactoryName is blank; it must be a name or null.")
        .ThrowIfAny(name);
}
