using System.Diagnostics.CodeAnalysis;

namespace Moe.Core;

/// <summary>Adapts the factor λ of a <see cref="BalanceLoss"/> to what routing does, once an optimizer step.</summary>
/// <remarks>Immutable settings: the factor itself is kept by the trainer.</remarks>
public abstract class LambdaRule
{
    /// <summary>The factor of the next step.</summary>
    /// <param name="factor">That of this step, 0 or more.</param>
    /// <param name="step">What the step routed, one report a layer.</param>
    /// <returns>0 or more, finite.</returns>
    [SuppressMessage("Naming", "CA1716", Justification = "Other languages escape the word; here it says best what is meant.")]
    public abstract double Next(double factor, IReadOnlyList<RoutingReport> step);
}
