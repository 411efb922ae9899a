using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Moe.HuggingFace;

/// <summary>The file beside several shards that says which tensor is in which.</summary>
internal static class ShardIndex
{
    public const string FileName = "model.safetensors.index.json";

    private const string WeightMap = "weight_map";

    private const string TotalSize = "total_size";

    /// <summary>Reads the names of tensors and the files they are in.</summary>
    /// <exception cref="InvalidDataException">It is no such index, or names files outside of its folder.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        if (new FileInfo(path).Length > SafetensorsHeader.MaxLength)
            throw new InvalidDataException($"{path} is longer than {SafetensorsHeader.MaxLength} bytes.");
        ReadOnlySpan<byte> text = File.ReadAllBytes(path);
        if (!Utf8.IsValid(text))
            throw new InvalidDataException($"{path} is not valid UTF-8.");
        try
        {
            return Parse(new Utf8JsonReader(text), path);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException($"{path} has a string with half a surrogate pair: {exception.Message}", exception);
        }
    }

    /// <summary>The index of shards that were written, character for character as Python's json.dumps(index, indent=2, sort_keys=True) gives it.</summary>
    public static byte[] Format(long totalSize, IEnumerable<KeyValuePair<string, string>> fileOf)
    {
        var json = new StringBuilder($$"""
            {
              "metadata": {
                "total_size": {{totalSize}}
              },
              "weight_map": {
            """.ReplaceLineEndings("\n"));
        var separator = "\n";
        foreach (var (name, file) in fileOf.OrderBy(pair => pair.Key, CodePointOrder.Instance))
        {
            json.Append(separator).Append("    ").AppendQuoted(name, ascii: true).Append(": ").AppendQuoted(file, ascii: true);
            separator = ",\n";
        }
        return Encoding.UTF8.GetBytes(json.Append("\n  }\n}\n").ToString());
    }

    /// <summary>Writes an index for other tensors, with all else that one has.</summary>
    /// <param name="path">The index that there is.</param>
    /// <param name="target">Where the new one goes.</param>
    /// <param name="fileOf">The names of tensors and the files they are in, in their order.</param>
    /// <param name="totalSize">The bytes of all tensors, where the sum in the index is to be changed.</param>
    /// <param name="change">What else becomes of it.</param>
    public static void Rewrite(string path, string target, IEnumerable<KeyValuePair<string, string>> fileOf, long? totalSize, Action<JsonObject> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json[WeightMap] = new JsonObject(fileOf.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        if (totalSize is { } bytes && json["metadata"] is JsonObject metadata && metadata.ContainsKey(TotalSize))
            metadata[TotalSize] = bytes;
        change(json);
        File.WriteAllText(target, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true, NewLine = "\n" }) + "\n");
    }

    private static Dictionary<string, string> Parse(Utf8JsonReader json, string path)
    {
        Dictionary<string, string>? fileOf = null;
        Require(json.Read() && json.TokenType == JsonTokenType.StartObject, path, "must be an object");
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals(WeightMap))
            {
                Require(fileOf is null, path, $"has {WeightMap} twice");
                json.Read();
                fileOf = ParseMap(ref json, path);
            }
            else
            {
                // Tools put sizes, counts and their own versions here; none of it says where a tensor is.
                json.Skip();
            }
        }

        // At the end, the reader throws by itself if anything but blanks follows.
        json.Read();
        return fileOf ?? throw new InvalidDataException($"{path} has no {WeightMap}.");
    }

    private static Dictionary<string, string> ParseMap(ref Utf8JsonReader json, string path)
    {
        Require(json.TokenType == JsonTokenType.StartObject, path, $"must have an object as its {WeightMap}");
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString()!;
            Require(json.Read() && json.TokenType == JsonTokenType.String, path, $"must name a file for \"{name}\"");
            var file = json.GetString()!;
            if (!files.TryGetValue(file, out var same))
            {
                Require(IsPlainFileName(file), path, $"names the file \"{file}\" for \"{name}\"; it must be a plain file name in the same folder");
                files.Add(file, same = file);
            }
            Require(fileOf.TryAdd(name, same), path, $"names \"{name}\" twice");
        }
        return fileOf;
    }

    /// <summary>Neither a path nor anything that one of the systems takes for one.</summary>
    public static bool IsPlainFileName(string file) => file is not ("" or "." or "..") && !file.AsSpan().ContainsAny("/\\:\0");

    private static void Require(bool isMet, string path, string rule)
    {
        if (!isMet)
            throw new InvalidDataException($"{path} {rule}.");
    }
}
