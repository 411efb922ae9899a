using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The tensors of a checkpoint, sorted by the prefix of their names, and how they differ from those of now.</summary>
internal sealed class SavedTensors(IReadOnlyDictionary<string, Tensor> tensors)
{
    private readonly HashSet<string> _known = [];

    public bool Has(string prefix) => tensors.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Those with the prefix, by the rest of their names.</summary>
    public Dictionary<string, Tensor> Part(string prefix) => tensors
        .Where(item => item.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(item => item.Key[prefix.Length..], item => item.Value);

    /// <summary>Notes every tensor that is not there on both sides with the same type and shape.</summary>
    public void Compare(string prefix, string what, Dictionary<string, Tensor> now, List<string> differences)
    {
        var saved = Part(prefix);
        _known.UnionWith(saved.Keys.Select(name => prefix + name));
        differences.AddRange(now.Keys.Except(saved.Keys).Select(name => $"the {what} lacks {Named(name)}"));
        differences.AddRange(saved.Keys.Except(now.Keys).Select(name => $"the {what} has {Named(name)}, which is not there now"));
        foreach (var name in saved.Keys.Intersect(now.Keys))
        {
            var (then, here) = (Signature(saved[name]), Signature(now[name]));
            if (then != here)
                differences.Add($"the {what}: {Named(name)} was {then}, is {here}");
        }
    }

    /// <summary>Notes if a tensor of bytes, of whatever length, is missing or something else.</summary>
    public void RequireBytes(string name, string what, List<string> differences)
    {
        _known.Add(name);
        if (!tensors.TryGetValue(name, out var tensor))
            differences.Add($"the {what} is missing");
        else if (tensor.dtype != ScalarType.Byte || tensor.dim() != 1)
            differences.Add($"the {what} was {Signature(tensor)}, should be Byte [length]");
    }

    /// <summary>Notes every tensor that nothing has asked for.</summary>
    public void RequireNothingElse(List<string> differences) =>
        differences.AddRange(tensors.Keys.Except(_known).Select(name => $"{name} belongs to nothing"));

    private static string Named(string name) => name.Length > 0 ? name : "its bytes";

    private static string Signature(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";
}
