using System.Collections.Concurrent;

namespace Moe.Classical;

/// <summary>Which kinds of noise can be read back from a state. The library's own are known; add yours once, when the program starts.</summary>
public static class StoredNoises
{
    private static readonly ConcurrentDictionary<string, Func<ExpertState, NoiseModel>> Readers = new(new Dictionary<string, Func<ExpertState, NoiseModel>>
    {
        [BinomialNoise.Kind] = BinomialNoise.FromState,
        [CategoricalNoise.Kind] = CategoricalNoise.FromState,
        [GaussianNoise.Kind] = GaussianNoise.FromState,
        [LaplaceNoise.Kind] = LaplaceNoise.FromState,
        [PoissonNoise.Kind] = PoissonNoise.FromState,
        [StudentNoise.Kind] = StudentNoise.FromState,
    });

    /// <summary>Makes a kind known.</summary>
    /// <param name="kind">The name that its <see cref="NoiseModel.ToState"/> gives.</param>
    /// <param name="read">Makes the noise; must not keep tensors of the state itself.</param>
    /// <exception cref="ArgumentException">Another reader has that name.</exception>
    public static void Register(string kind, Func<ExpertState, NoiseModel> read)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        ArgumentNullException.ThrowIfNull(read);
        if (!Readers.TryAdd(kind, read) && Readers[kind].Method != read.Method)
            throw new ArgumentException($"There is already a reader for noise of kind \"{kind}\".", nameof(kind));
    }

    /// <summary>Makes the noise that a state describes. The state stays the caller's.</summary>
    /// <exception cref="ArgumentException">The kind is not known, or the state is not complete.</exception>
    public static NoiseModel Read(ExpertState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Readers.TryGetValue(state.Kind, out var read)
            ? read(state)
            : throw new ArgumentException($"Noise of kind \"{state.Kind}\" is not known here; StoredNoises.Register makes it known.", nameof(state));
    }
}
