using System.Text.Json;
using System.Text.Json.Nodes;
using Moe.Core;
using Moe.Training;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted expert in one file, with all experts inside it.</summary>
/// <remarks>
/// <para>The layout is that of safetensors: other programs can read the tensors, whose names are paths such as <c>member-0/coefficients</c> (a "/" or "~" within a name is
/// written "~1" or "~0"). Settings and kinds lie as JSON in the metadata, with a SHA-256 over everything.</para>
/// <para>A file is replaced as a whole: whoever looks at it sees the old one or the new one.</para>
/// </remarks>
public static class ExpertFile
{
    private const int MaxDepth = 512;

    private static readonly TensorFormat Format = new("moe-expert-1", "stored expert");

    /// <summary>Writes an expert. Makes the folder if there is none.</summary>
    /// <exception cref="NotSupportedException">An expert inside cannot be stored, or holds a tensor of a type that files do not.</exception>
    /// <exception cref="IOException">The file cannot be written; what was there before stays.</exception>
    public static void Save(string path, IStoredExpert expert)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(expert);
        using var state = expert.ToState();
        AtomicFile.Write(path, stream => Write(stream, state));
    }

    /// <summary>Reads an expert.</summary>
    /// <exception cref="InvalidDataException">The file is cut short, altered, or something else, or holds a kind of expert that is not known (<see cref="StoredExperts.Register"/>); the message names it.</exception>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    public static IExpert Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using var stream = File.OpenRead(path);
        using var state = Read(stream, path);
        try
        {
            return StoredExperts.Read(state);
        }
        catch (Exception exception) when (IsOfContents(exception))
        {
            throw Unreadable(path, exception);
        }
    }

    /// <summary>Writes a state to a stream, which stays open.</summary>
    /// <exception cref="NotSupportedException">It holds a tensor of a type that files do not.</exception>
    public static void Write(Stream stream, ExpertState state)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(state);
        var tensors = new List<(string Name, Tensor Tensor)>();
        var text = Describe(state, "", tensors).ToJsonString(new JsonSerializerOptions { MaxDepth = MaxDepth });
        Format.Write(stream, text, tensors);
    }

    /// <summary>Reads a state, which the caller owns, from a stream that can seek and holds nothing else. The stream stays open.</summary>
    /// <exception cref="InvalidDataException">What it holds is cut short, altered, or something else.</exception>
    public static ExpertState Read(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Read(stream, "The stream");
    }

    private static ExpertState Read(Stream stream, string name)
    {
        var (text, tensors) = Format.Read(stream, name);
        try
        {
            return Build(JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth }), "", tensors);
        }
        catch (Exception exception) when (IsOfContents(exception))
        {
            throw Unreadable(name, exception);
        }
        finally
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
        }
    }

    private static bool IsOfContents(Exception exception) =>
        exception is ArgumentException or JsonException or InvalidOperationException or NotSupportedException or FormatException or KeyNotFoundException;

    private static InvalidDataException Unreadable(string name, Exception exception) =>
        new($"{name} does not hold an expert that can be read here: {exception.Message}", exception);

    private static JsonObject Describe(ExpertState state, string path, List<(string Name, Tensor Tensor)> tensors)
    {
        var names = new JsonArray();
        foreach (var (name, tensor) in state.Tensors)
        {
            names.Add(name);
            tensors.Add((path + Escaped(name), tensor));
        }
        var children = new JsonObject();
        foreach (var (name, child) in state.Children)
            children.Add(name, Describe(child, $"{path}{Escaped(name)}/", tensors));
        return new JsonObject { ["kind"] = state.Kind, ["settings"] = state.Settings.DeepClone(), ["tensors"] = names, ["children"] = children };
    }

    private static ExpertState Build(JsonNode? node, string path, Dictionary<string, Tensor> tensors)
    {
        if (node is not JsonObject description || description["settings"] is not JsonObject settings
            || description["tensors"] is not JsonArray names || description["children"] is not JsonObject children)
            throw new InvalidOperationException("its text does not describe an expert.");
        var kind = description["kind"]?.GetValue<string>() ?? throw new InvalidOperationException("its text names no kind of expert.");
        var state = new ExpertState(kind, settings.DeepClone().AsObject());
        try
        {
            foreach (var item in names)
            {
                var name = item?.GetValue<string>() ?? throw new InvalidOperationException("a tensor has no name.");
                state.Add(name, tensors.TryGetValue(path + Escaped(name), out var tensor) ? tensor : throw new InvalidOperationException($"there is no tensor {path}{name}."));
            }
            foreach (var (name, child) in children)
                state.Add(name, Build(child, $"{path}{Escaped(name)}/", tensors));
            return state;
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    private static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
