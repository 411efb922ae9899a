using System.Collections.Concurrent;
using Moe.Core;

namespace Moe.Classical;

/// <summary>Which kinds of expert can be read back from a state. The library's own are known; add yours once, when the program starts.</summary>
public static class StoredExperts
{
    private static readonly ConcurrentDictionary<string, Func<ExpertState, IExpert>> Readers = new(BuiltIn());

    /// <summary>Makes a kind known.</summary>
    /// <param name="kind">The name that its <see cref="IStoredExpert.ToState"/> gives.</param>
    /// <param name="read">Makes the expert; must not keep tensors of the state itself (<see cref="ExpertState.GetTensor(string)"/> copies).</param>
    /// <exception cref="ArgumentException">Another reader has that name.</exception>
    public static void Register(string kind, Func<ExpertState, IExpert> read)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        ArgumentNullException.ThrowIfNull(read);
        if (!Readers.TryAdd(kind, read) && Readers[kind].Method != read.Method)
            throw new ArgumentException($"There is already a reader for experts of kind \"{kind}\".", nameof(kind));
    }

    /// <summary>Makes the expert that a state describes. The state stays the caller's.</summary>
    /// <exception cref="ArgumentException">The kind is not known, or the state is not complete.</exception>
    public static IExpert Read(ExpertState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Readers.TryGetValue(state.Kind, out var read)
            ? read(state)
            : throw new ArgumentException($"Experts of kind \"{state.Kind}\" are not known here; StoredExperts.Register makes them known.", nameof(state));
    }

    private static Dictionary<string, Func<ExpertState, IExpert>> BuiltIn() => new()
    {
        // One line a kind, by alphabet.
        [Averaging.Kind] = Averaging.FromState,
        [Bagging.Kind] = Bagging.FromState,
        [BernoulliNaiveBayesModel.Kind] = BernoulliNaiveBayesModel.FromState,
        [DecisionTree.StoredKind] = DecisionTree.FromState,
        [FittedMixture.StateKind] = FittedMixture.FromState,
        [GaussianNaiveBayesModel.Kind] = GaussianNaiveBayesModel.FromState,
        [GaussianProcessExpert.StateKind] = GaussianProcessExpert.FromState,
        [GeneralizedLinearModel.Kind] = GeneralizedLinearModel.FromState,
        [KernelRidgeExpert.StateKind] = KernelRidgeExpert.FromState,
        [LinearModel.Kind] = LinearModel.FromState,
        [MultinomialNaiveBayesModel.Kind] = MultinomialNaiveBayesModel.FromState,
        [NearestNeighboursExpert.StateKind] = NearestNeighboursExpert.FromState,
        [NetworkExpert.Kind] = NetworkExpert.FromState,
        [RandomForest.StoredKind] = RandomForest.FromState,
        [SoftmaxModel.Kind] = SoftmaxModel.FromState,
        [Stacking.Kind] = Stacking.FromState,
        [VectorMachine.Kind] = VectorMachine.FromState,
        [Voting.Kind] = Voting.FromState,
    };
}
