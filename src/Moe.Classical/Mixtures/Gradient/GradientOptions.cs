using Moe.Core;

namespace Moe.Classical;

/// <summary>How a mixture is trained by gradients.</summary>
public sealed record GradientOptions
{
    /// <summary>What is made small.</summary>
    /// <value>The default is <see cref="GradientLoss.Likelihood"/>.</value>
    public GradientLoss Loss { get; init; }

    /// <summary>Passes over the rows.</summary>
    /// <value>The default is 200. Range: at least 1.</value>
    public int Epochs { get; init; } = 200;

    /// <summary>Rows a step.</summary>
    /// <value>The default is 64. Range: at least 1.</value>
    public int BatchRows { get; init; } = 64;

    /// <summary>Step size of AdamW, at its largest.</summary>
    /// <value>The default is 0.01. Range: above 0, finite.</value>
    public double LearningRate { get; init; } = 0.01;

    /// <summary>How the step size falls, batch by batch, over all <see cref="Epochs"/>: steps of one size end near a minimum, and never in it.</summary>
    /// <value>The default is <see cref="RateDecay.Cosine"/>.</value>
    public RateDecay Decay { get; init; } = RateDecay.Cosine;

    /// <summary>What is left of the step size at the last step, as a share of <see cref="LearningRate"/>. Without decay it does not count.</summary>
    /// <value>The default is 0.01. Range: above 0, at most 1.</value>
    public double LastRateShare { get; init; } = 0.01;

    /// <summary>Epochs in which the step size first rises in a straight line from near 0.</summary>
    /// <value>The default is 0. Range: from 0 to <see cref="Epochs"/> - 1.</value>
    public int WarmUpEpochs { get; init; }

    /// <summary>Decay of the networks' weights, as a share of the learning rate. Gate and noise do not decay.</summary>
    /// <value>The default is 1e-4. Range: at least 0, finite.</value>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>Epochs between two refits of the members that gradients cannot train.</summary>
    /// <value>The default is 20. Range: at least 1.</value>
    public int RefitEvery { get; init; } = 20;

    /// <summary>Folds of the predictions that refitted members are judged by, where they could repeat their own rows.</summary>
    /// <value>The default is 5. Range: at least 2.</value>
    public int Folds { get; init; } = 5;

    /// <summary>
    /// α of the balance term α E Σₖ pₖ fₖ over the E network experts (Fedus et al. 2021, eq. 4): pₖ is the mean probability of expert k given that a network is chosen, fₖ the share of rows
    /// for which it is the most probable network. It does not pull on members that gradients cannot train.
    /// </summary>
    /// <value>The default is 0: none. Range: at least 0, finite.</value>
    public double Balance { get; init; }

    /// <summary>The divisor of the gate's logits in the first epoch.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double FirstTemperature { get; init; } = 1;

    /// <summary>The divisor in the last epoch, reached in equal ratios: below the first it hardens the choice. The fitted gate includes it.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double LastTemperature { get; init; } = 1;

    /// <summary>Share of the rows that is not trained on but watched, for the epoch with the lowest loss there; 0 for none.</summary>
    /// <value>The default is 0. Range: from 0 to 0.5.</value>
    public double ValidationShare { get; init; }

    /// <summary>With a validation share: training stops after so many epochs without a lower loss.</summary>
    /// <value>The default is 20. Range: at least 1.</value>
    public int Patience { get; init; } = 20;

    /// <summary>The least standard deviation of normal noise, as a share of the response's own.</summary>
    /// <value>The default is 1e-3. Range: above 0, at most 1.</value>
    public double SigmaFloor { get; init; } = 1e-3;

    /// <summary>Seed of first weights, batches, folds and validation rows; that of the context is added.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    internal void Validate(string name) => new OptionFailures(nameof(GradientOptions))
        .Require(Enum.IsDefined(Loss), $"Loss ({Loss}) must be Likelihood or BlendedError.")
        .Require(Epochs >= 1, $"Epochs ({Epochs}) must be at least 1.")
        .Require(BatchRows >= 1, $"BatchRows ({BatchRows}) must be at least 1.")
        .Require(double.IsFinite(LearningRate) && LearningRate > 0, $"LearningRate ({LearningRate}) must be above 0 and finite.")
        .Require(Enum.IsDefined(Decay), $"Decay ({Decay}) must be None, Linear or Cosine.")
        .Require(LastRateShare is > 0 and <= 1, $"LastRateShare ({LastRateShare}) must be above 0 and at most 1.")
        .Require(WarmUpEpochs >= 0 && WarmUpEpochs < Math.Max(Epochs, 1), $"WarmUpEpochs ({WarmUpEpochs}) must be from 0 to Epochs ({Epochs}) - 1.")
        .Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, $"WeightDecay ({WeightDecay}) must be at least 0 and finite.")
        .Require(RefitEvery >= 1, $"RefitEvery ({RefitEvery}) must be at least 1.")
        .Require(Folds >= 2, $"Folds ({Folds}) must be at least 2.")
        .Require(double.IsFinite(Balance) && Balance >= 0, $"Balance ({Balance}) must be at least 0 and finite.")
        .Require(double.IsFinite(FirstTemperature) && FirstTemperature > 0, $"FirstTemperature ({FirstTemperature}) must be above 0 and finite.")
        .Require(double.IsFinite(LastTemperature) && LastTemperature > 0, $"LastTemperature ({LastTemperature}) must be above 0 and finite.")
        .Require(ValidationShare is >= 0 and <= 0.5, $"ValidationShare ({ValidationShare}) must be from 0 to 0.5.")
        .Require(Patience >= 1, $"Patience ({Patience}) must be at least 1.")
        .Require(SigmaFloor is > 0 and <= 1, $"SigmaFloor ({SigmaFloor}) must be above 0 and at most 1.")
        .ThrowIfAny(name);
}
