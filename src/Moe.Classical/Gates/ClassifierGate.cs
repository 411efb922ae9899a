using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A gate that is a classifier of experts: a forest, a vector machine, neighbours. Its probabilities of classes are those of the experts.</summary>
/// <remarks>Probabilities are held above 1e-9, so that no expert is ruled out for good. As thread-safe as the classifier.</remarks>
public sealed class ClassifierGate : IStoredGate
{
    internal const string Kind = "classifier";
    private const double Least = 1e-9;

    /// <summary>A gate of a fitted classifier.</summary>
    /// <param name="classifier">Maps rows [n, Dz] to probabilities [n, K]: at least 0, each row's sum 1.</param>
    public ClassifierGate(IExpert classifier)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        Classifier = classifier;
    }

    /// <summary>The classifier.</summary>
    public IExpert Classifier { get; }

    /// <inheritdoc/>
    public long InputWidth => Classifier.InputWidth;

    /// <inheritdoc/>
    public int Experts => (int)Classifier.OutputWidth;

    /// <inheritdoc/>
    public double? DegreesOfFreedom => (Classifier as IParametric)?.DegreesOfFreedom;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The classifier answers what are no probabilities.</exception>
    public Tensor LogProbabilities(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        using var scope = NewDisposeScope();
        var answer = ExpertAnswers.Of(Classifier, rows).clone();
        var log = HostMemory.Of<double>(answer);
        for (var start = 0; start < log.Length; start += Experts)
        {
            foreach (ref var probability in log.Slice(start, Experts))
            {
                if (probability < 0)
                    throw new InvalidOperationException($"The classifier of a gate answered {probability} to row {start / Experts}; probabilities must be at least 0.");
                probability = Math.Log(Math.Max(probability, Least));
            }
            LogSum.Normalise(log.Slice(start, Experts));
        }
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The classifier cannot be stored.</exception>
    public ExpertState ToState() => Classifier is IStoredExpert stored
        ? new ExpertState(Kind).Add("classifier", stored.ToState())
        : throw new NotSupportedException($"The gate's classifier, a {Classifier.GetType().Name}, cannot be stored: it is no {nameof(IStoredExpert)}.");

    internal static ClassifierGate FromState(ExpertState state) => new(StoredExperts.Read(state.Child("classifier")));
}
