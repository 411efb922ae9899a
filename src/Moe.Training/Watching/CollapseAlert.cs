using Moe.Core;

namespace Moe.Training;

/// <summary>A mixture that broke rules over a window of steps, in plain numbers.</summary>
public sealed record CollapseAlert
{
    /// <summary>The mixture's name in the model.</summary>
    public required string Layer { get; init; }

    /// <summary>The last step of the window, counted as in <see cref="StepReport.Step"/>.</summary>
    public required long Step { get; init; }

    /// <summary>The rules it broke; at least one.</summary>
    public required IReadOnlyList<BrokenRule> Broken { get; init; }

    /// <summary>Who answered in the window's steps, skipped ones apart.</summary>
    public required RoutingReport Routing { get; init; }

    /// <summary>How its gate was in them.</summary>
    public required GateHealth Health { get; init; }

    /// <summary>One line for a log.</summary>
    /// <returns>Layer, step, and each broken rule with value and threshold.</returns>
    public override string ToString() => $"Step {Step}: {Layer} collapses: {string.Join(", ", Broken)}";
}
