using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits any classifier as a gate, for borders between experts that are not straight.</summary>
/// <remarks>
/// <para>A row with shares of several experts becomes one row for each, weighted by its share: the classifier's likelihood is then that of the shares. Shares below 1e-3 are
/// left out; what is left is scaled to the row's weight.</para>
/// <para>A classifier that can repeat its rows makes the gate as sure of them as the shares were, so that EM settles early: fit it over experts that are judged out of fold.</para>
/// </remarks>
public sealed class ClassifierGateLearner : IGateLearner
{
    private const double Least = 1e-3;

    /// <summary>A gate of a classifier.</summary>
    /// <param name="classifier">Takes classes; where it takes no weights, rows are drawn by them.</param>
    /// <exception cref="ArgumentException">It does not take classes.</exception>
    public ClassifierGateLearner(IExpertLearner classifier)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        if (!classifier.Takes(ResponseKind.Class))
            throw new ArgumentException($"The learner of a gate must take classes; \"{classifier.Name}\" does not.", nameof(classifier));
        Classifier = classifier;
    }

    /// <summary>The classifier's learner.</summary>
    public IExpertLearner Classifier { get; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The classifier cannot be fitted to these shares, as when one expert has them all; the message says why.</exception>
    public IGate Fit(Tensor rows, Tensor targets, Tensor? weights, IGate? previous, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(context);
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var shares = HostMemory.Of<double>(targets);
        var given = weights is null ? default : HostMemory.Of<double>(weights);
        var experts = (int)targets.size(1);
        var (places, labels, parts) = (new List<long>(), new List<double>(), new List<double>());
        for (var row = 0; row < rows.size(0); row++)
        {
            var own = shares.Slice(row * experts, experts);
            var kept = 0.0;
            foreach (var share in own)
                kept += share >= Least ? share : 0;
            var weight = given.IsEmpty ? 1 : given[row];
            for (var expert = 0; expert < experts; expert++)
            {
                if (own[expert] < Least || weight == 0)
                    continue;
                places.Add(row);
                labels.Add(expert);
                parts.Add(weight * own[expert] / kept);
            }
        }
        var data = new FitData(rows.index_select(0, tensor(places.ToArray())), Response.Class(tensor(labels.ToArray()), Math.Max(experts, 2)), tensor(parts.ToArray()));
        return new ClassifierGate(ResampledFit.Fit(Classifier, data, context with { Previous = (previous as ClassifierGate)?.Classifier }));
    }
}
