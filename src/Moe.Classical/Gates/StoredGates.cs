using System.Collections.Concurrent;

namespace Moe.Classical;

/// <summary>Which kinds of gate can be read back from a state. The library's own are known; add yours once, when the program starts.</summary>
public static class StoredGates
{
    private static readonly ConcurrentDictionary<string, Func<ExpertState, IGate>> Readers = new(new Dictionary<string, Func<ExpertState, IGate>>
    {
        [ClassifierGate.Kind] = ClassifierGate.FromState,
        [ConstantGate.Kind] = ConstantGate.FromState,
        [ModuleGate.Kind] = ModuleGate.FromState,
        [SoftmaxGate.Kind] = SoftmaxGate.FromState,
        [TreeGate.Kind] = TreeGate.FromState,
    });

    /// <summary>Makes a kind known.</summary>
    /// <param name="kind">The name that its <see cref="IStoredGate.ToState"/> gives.</param>
    /// <param name="read">Makes the gate; must not keep tensors of the state itself.</param>
    /// <exception cref="ArgumentException">Another reader has that name.</exception>
    public static void Register(string kind, Func<ExpertState, IGate> read)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        ArgumentNullException.ThrowIfNull(read);
        if (!Readers.TryAdd(kind, read) && Readers[kind].Method != read.Method)
            throw new ArgumentException($"There is already a reader for gates of kind \"{kind}\".", nameof(kind));
    }

    /// <summary>Makes the gate that a state describes. The state stays the caller's.</summary>
    /// <exception cref="ArgumentException">The kind is not known, or the state is not complete.</exception>
    public static IGate Read(ExpertState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Readers.TryGetValue(state.Kind, out var read)
            ? read(state)
            : throw new ArgumentException($"Gates of kind \"{state.Kind}\" are not known here; StoredGates.Register makes them known.", nameof(state));
    }
}
