namespace Moe.Core;

/// <summary>
/// How many assignments an expert takes, and which ones when more are made: C = ⌈factor · K · tokens / E⌉, at least
/// <see cref="Minimum"/>, rounded up to a multiple of <see cref="MultipleOf"/> (GShard, Lepikhin et al. 2020, section 2.2; Switch, Fedus et al. 2021, eq. 3).
/// </summary>
/// <remarks>Immutable data with value equality; validated with the options it is part of. K is the number of columns of the decision; padding is no token.</remarks>
public sealed record CapacityOptions
{
    /// <summary>
    /// The factor while training. 0 means as much as needed: nothing is dropped. A negative one is an upper bound, |factor|, on what is
    /// needed, with the same assignments dropped as by the positive one (Tutel's convention).
    /// </summary>
    /// <value>The default is null: nothing is dropped. Range: finite.</value>
    public double? Factor { get; init; }

    /// <summary>As <see cref="Factor"/>, in evaluation mode.</summary>
    /// <value>The default is null: nothing is dropped. Range: finite.</value>
    public double? EvaluationFactor { get; init; }

    /// <summary>C itself, in both modes, instead of a factor (the <c>expert_capacity</c> of Switch checkpoints).</summary>
    /// <value>The default is null: the factors decide. Range: at least 1. Not together with a factor.</value>
    public long? Fixed { get; init; }

    /// <summary>The least that C can be.</summary>
    /// <value>The default is 0. Range: 0 or more.</value>
    public long Minimum { get; init; }

    /// <summary>C is rounded up to a multiple of this, for products that want aligned batches.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public long MultipleOf { get; init; } = 1;

    /// <summary>How factor · K · tokens / E becomes a whole number.</summary>
    /// <value>The default is <see cref="CapacityRounding.Up"/>.</value>
    public CapacityRounding Rounding { get; init; } = CapacityRounding.Up;

    /// <summary>Over which tokens places are counted.</summary>
    /// <value>The default is <see cref="TokenScope.Batch"/>.</value>
    public TokenScope Scope { get; init; } = TokenScope.Batch;

    /// <summary>Which assignments are dropped when an expert is full.</summary>
    /// <value>The default is <see cref="Overflow.ChoiceThenPosition"/>.</value>
    public Overflow Overflow { get; init; } = Overflow.ChoiceThenPosition;

    /// <summary>Whether the weights of what a token keeps are scaled up to the sum that its weights had before dropping.</summary>
    /// <value>The default is false: what is dropped is lost, and weights are normalised before dropping, if at all. Not with <see cref="WeightTarget.Input"/>.</value>
    public bool RenormalizeKept { get; init; }

    /// <summary>What a token gets all of whose experts were full.</summary>
    /// <value>The default is <see cref="DroppedTokens.Zero"/>.</value>
    public DroppedTokens Dropped { get; init; } = DroppedTokens.Zero;

    /// <summary>Whether what a token gets can depend on tokens after it.</summary>
    /// <param name="topK">K.</param>
    internal bool IsCausal(int topK) =>
        (Fixed is null && Factor is null or 0 && EvaluationFactor is null or 0)
        || Overflow == Overflow.Position
        || (Overflow == Overflow.ChoiceThenPosition && topK == 1);

    internal void Validate(string parameterName)
    {
        var failures = new OptionFailures(nameof(CapacityOptions));
        Check(failures);
        failures.ThrowIfAny(parameterName);
    }

    internal void Check(OptionFailures failures) => failures
        .Require(Factor is not { } f || double.IsFinite(f), $"Capacity.Factor ({Factor}) must be finite, or null.")
        .Require(EvaluationFactor is not { } e || double.IsFinite(e), $"Capacity.EvaluationFactor ({EvaluationFactor}) must be finite, or null.")
        .Require(Fixed is null or >= 1, $"Capacity.Fixed ({Fixed}) must be at least 1, or null.")
        .Require(Fixed is null || (Factor is null && EvaluationFactor is null), $"Capacity.Fixed ({Fixed}) leaves no room for Factor ({Factor}) or EvaluationFactor ({EvaluationFactor}).")
        .Require(Minimum >= 0, $"Capacity.Minimum ({Minimum}) must be 0 or more.")
        .Require(MultipleOf >= 1, $"Capacity.MultipleOf ({MultipleOf}) must be at least 1.")
        .Require(Enum.IsDefined(Rounding), $"Capacity.Rounding ({Rounding}) must be Up, Down or Nearest.")
        .Require(Enum.IsDefined(Scope), $"Capacity.Scope ({Scope}) must be Batch or Sequence.")
        .Require(Enum.IsDefined(Overflow), $"Capacity.Overflow ({Overflow}) must be ChoiceThenPosition, Position, Probability, BatchPrioritized or Random.")
        .Require(Enum.IsDefined(Dropped), $"Capacity.Dropped ({Dropped}) must be Zero or PassThrough.");
}
