using Moe.Core;

namespace Moe.Training;

/// <summary>λ of each balance loss at a step: its schedule, times the factor that its rule has come to, if it has one.</summary>
/// <remarks>The factors are part of the training's progress: they depend on every step before, and a resumed training goes on with them.</remarks>
internal sealed class Lambdas(TrainerOptions options)
{
    private readonly bool _adaptive = options.Terms.Any(term => term.Adapt is not null);

    /// <summary>That of the balance, which an alarm may have raised, then those of the terms. Asked before the step, so that a bad schedule ends training between two steps.</summary>
    public double[] At(long step, IReadOnlyDictionary<string, double> factors, double raised)
    {
        var lambdas = new double[options.Terms.Count + 1];
        lambdas[0] = options.Lambda.AtLeastZero(step, nameof(TrainerOptions.Lambda)) * raised;
        for (var index = 1; index < lambdas.Length; index++)
        {
            var term = options.Terms[index - 1];
            lambdas[index] = term.Lambda.AtLeastZero(step, $"Lambda of {term.Name}") * (term.Adapt is null ? 1 : factors.GetValueOrDefault(term.Name, 1));
        }
        return lambdas;
    }

    /// <summary>Asks the rules for their next factors, after a step that was taken.</summary>
    /// <exception cref="InvalidOperationException">A rule gave a factor that is negative, NaN or infinite.</exception>
    public void Adapt(long step, IReadOnlyDictionary<string, RoutingReport> routing, Dictionary<string, double> factors)
    {
        if (!_adaptive || routing.Count == 0)
            return;
        RoutingReport[] reports = [.. routing.Values];
        foreach (var term in options.Terms)
        {
            if (term.Adapt is not { } rule)
                continue;
            var factor = rule.Next(factors.GetValueOrDefault(term.Name, 1), reports);
            if (!(factor >= 0) || !double.IsFinite(factor))
                throw new InvalidOperationException($"Step {step}: the factor on λ of {term.Name}, which {rule.GetType().Name} gave ({factor}), must be 0 or more, and finite.");
            factors[term.Name] = factor;
        }
    }
}
