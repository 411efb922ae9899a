using Moe.Core;

namespace Moe.Classical;

/// <summary>One expert of a fitted mixture, with the noise around its predictions and the columns that it sees.</summary>
public sealed class MixtureComponent
{
    /// <summary>A fitted expert.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="expert">The expert.</param>
    /// <param name="noise">The noise around its predictions; null to take its own density, which it must then have (<see cref="IDensityExpert"/>).</param>
    /// <param name="columns">The columns of the rows that it sees; null for all.</param>
    /// <param name="isFixed">True if it was given to the fit as it is, so that only its noise counts as fitted.</param>
    /// <exception cref="ArgumentException">There is neither noise nor a density, or the columns are not as many as the expert takes.</exception>
    public MixtureComponent(string name, IExpert expert, NoiseModel? noise, IReadOnlyList<int>? columns = null, bool isFixed = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(expert);
        if (noise is null && expert is not IDensityExpert)
            throw new ArgumentException($"Expert \"{name}\" has neither noise nor a density of its own ({nameof(IDensityExpert)}).", nameof(noise));
        if (columns is not null && columns.Count != expert.InputWidth)
            throw new ArgumentException($"Expert \"{name}\" takes rows of width {expert.InputWidth}, got {columns.Count} columns.", nameof(columns));
        (Name, Expert, Noise, Columns, IsFixed) = (name, expert, noise, columns is null ? null : [.. columns], isFixed);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The expert.</summary>
    public IExpert Expert { get; }

    /// <summary>The noise around its predictions; null where the expert's own density is taken.</summary>
    public NoiseModel? Noise { get; }

    /// <summary>The columns of the rows that it sees; null for all.</summary>
    public IReadOnlyList<int>? Columns { get; }

    /// <summary>True if it was given to the fit as it is.</summary>
    public bool IsFixed { get; }

    /// <summary>Free parameters of the expert (0 if it is fixed) and its noise; null where they cannot be counted.</summary>
    public double? DegreesOfFreedom => IsFixed ? Noise?.DegreesOfFreedom ?? 0 : Expert is IParametric parametric ? parametric.DegreesOfFreedom + (Noise?.DegreesOfFreedom ?? 0) : null;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Noise?.ToString() ?? "its own density"})";
}
