using Moe.Core;

namespace Moe.Classical;

/// <summary>One expert of a mixture before the fit: a learner that is refitted to the expert's share of the rows, or an expert that is fixed.</summary>
public sealed class MixtureMember
{
    /// <summary>An expert that learns.</summary>
    /// <param name="name">Its name in tables; each member of a mixture has another.</param>
    /// <param name="learner">How to fit it.</param>
    public MixtureMember(string name, IExpertLearner learner)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(learner);
        (Name, Learner) = (name, learner);
    }

    /// <summary>An expert that stays as it is: a rule, a fitted model, a network in evaluation mode. Its noise is fitted still.</summary>
    /// <param name="name">Its name in tables; each member of a mixture has another.</param>
    /// <param name="expert">
    /// The expert. What it says of the rows of the fit is taken at its word: if it was fitted to these very rows and can repeat them, the gate will trust it too much; then
    /// give its learner instead.
    /// </param>
    public MixtureMember(string name, IExpert expert)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(expert);
        (Name, Expert) = (name, expert);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>How to fit it; null for a fixed expert.</summary>
    public IExpertLearner? Learner { get; }

    /// <summary>The fixed expert; null for one that learns.</summary>
    public IExpert? Expert { get; }

    /// <summary>The noise around its predictions.</summary>
    /// <value>The default is null: that of the kind of response (<see cref="NoiseFamilies.DefaultFor"/>).</value>
    public NoiseFamily? Noise { get; init; }

    /// <summary>Takes the expert's own density (<see cref="IDensityExpert"/>) instead of noise around its predictions. Not together with <see cref="Noise"/>.</summary>
    /// <value>The default is false.</value>
    public bool OwnDensity { get; init; }

    /// <summary>The columns of the rows that it sees, in its order.</summary>
    /// <value>The default is null: all of them.</value>
    public IReadOnlyList<int>? Columns { get; init; }

    /// <summary>
    /// For a fixed expert under a <see cref="GatedExpertsLearner"/>: that it has not seen the rows of the fit, so that its answers to them are as good as any. Where that is not
    /// known the fit warns.
    /// </summary>
    /// <value>The default is false.</value>
    public bool RowsAreNew { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({(Learner is { } learner ? learner.Name : "fixed")})";
}
