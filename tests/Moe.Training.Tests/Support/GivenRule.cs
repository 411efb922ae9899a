using Moe.Core;

namespace Moe.Training.Tests;

/// <summary>A rule of a test's own.</summary>
internal sealed class GivenRule(Func<double, IReadOnlyList<RoutingReport>, double> next) : LambdaRule
{
    public override double Next(double factor, IReadOnlyList<RoutingReport> step) => next(factor, step);
}
