using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What a fitted expert consists of: settings, tensors, and the experts inside it, each under a name.</summary>
/// <remarks>
/// Owns copies of everything: neither the expert it came from nor the one that is made of it shares a tensor with it. Asking for what is not there throws
/// <see cref="ArgumentException"/>, so that a damaged or foreign state never looks like an expert.
/// </remarks>
public sealed class ExpertState : IDisposable
{
    private readonly JsonObject _settings;
    private readonly Dictionary<string, Tensor> _tensors = [];
    private readonly Dictionary<string, ExpertState> _children = [];

    /// <summary>An empty state.</summary>
    /// <param name="kind">What kind of expert it describes, as <see cref="StoredExperts"/> knows it.</param>
    public ExpertState(string kind)
        : this(kind, [])
    {
    }

    internal ExpertState(string kind, JsonObject settings)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        Kind = kind;
        _settings = settings;
    }

    /// <summary>What kind of expert it describes.</summary>
    public string Kind { get; }

    /// <summary>The tensors by name; the state's own.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>The states inside, by name; the state's own.</summary>
    public IReadOnlyDictionary<string, ExpertState> Children => _children;

    internal JsonObject Settings => _settings;

    /// <summary>Adds a setting that <see cref="Get{T}"/> reads back: a number (infinite ones too), text, truth value, enum, null, or an array of these.</summary>
    /// <returns>This state.</returns>
    public ExpertState Set<T>(string name, T value)
    {
        _settings.Add(Free(name), JsonSerializer.SerializeToNode(value, JsonText.Options));
        return this;
    }

    /// <summary>Adds a copy of a tensor.</summary>
    /// <returns>This state.</returns>
    public ExpertState Add(string name, Tensor tensor)
    {
        DataGuard.Alive(tensor, nameof(tensor));
        _tensors.Add(Free(name), tensor.detach().clone().DetachFromDisposeScope());
        return this;
    }

    /// <summary>Adds a state inside, which belongs to this one from now on.</summary>
    /// <returns>This state.</returns>
    public ExpertState Add(string name, ExpertState child)
    {
        ArgumentNullException.ThrowIfNull(child);
        _children.Add(Free(name), child);
        return this;
    }

    /// <summary>A setting.</summary>
    /// <exception cref="ArgumentException">There is none of that name and type.</exception>
    public T Get<T>(string name)
    {
        if (!_settings.TryGetPropertyValue(name, out var node))
            throw Missing("setting", name);
        try
        {
            return node is null ? default! : node.Deserialize<T>(JsonText.Options)!;
        }
        catch (JsonException exception)
        {
            throw new ArgumentException($"The state of kind \"{Kind}\" has {node} as {name}, which is not a {typeof(T).Name}.", nameof(name), exception);
        }
    }

    /// <summary>A copy of a tensor that the caller keeps for good: it is in no dispose scope.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public Tensor GetTensor(string name) =>
        _tensors.TryGetValue(name, out var tensor) ? tensor.clone().DetachFromDisposeScope() : throw Missing("tensor", name);

    /// <summary>As <see cref="GetTensor(string)"/>, of a shape that it must have.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">The sizes; -1 for any.</param>
    /// <exception cref="ArgumentException">There is none of that name and shape.</exception>
    public Tensor GetTensor(string name, params ReadOnlySpan<long> shape)
    {
        if (!_tensors.TryGetValue(name, out var tensor))
            throw Missing("tensor", name);
        var fits = tensor.dim() == shape.Length;
        for (var dimension = 0; fits && dimension < shape.Length; dimension++)
            fits = shape[dimension] == -1 || shape[dimension] == tensor.size(dimension);
        return fits
            ? GetTensor(name)
            : throw new ArgumentException($"The state of kind \"{Kind}\" has a tensor {name} of shape [{string.Join(", ", tensor.shape)}]; expected [{string.Join(", ", shape.ToArray())}].", nameof(name));
    }

    /// <summary>A state inside, which stays this state's own.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public ExpertState Child(string name) => _children.TryGetValue(name, out var child) ? child : throw Missing("part", name);

    /// <summary>True if there is a tensor of that name.</summary>
    public bool HasTensor(string name) => _tensors.ContainsKey(name);

    /// <summary>True if there is a state inside of that name.</summary>
    public bool HasChild(string name) => _children.ContainsKey(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _tensors.Values)
            tensor.Dispose();
        foreach (var child in _children.Values)
            child.Dispose();
    }

    private string Free(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return _settings.ContainsKey(name) || _tensors.ContainsKey(name) || _children.ContainsKey(name)
            ? throw new ArgumentException($"The state of kind \"{Kind}\" already has a {name}.", nameof(name))
            : name;
    }

    private ArgumentException Missing(string what, string name) => new($"The state of kind \"{Kind}\" has no {what} called {name}.", nameof(name));
}
