using System.Text.Json;
using System.Text.Json.Nodes;

namespace Moe.HuggingFace;

/// <summary>
/// The files that tensors were in before they became parts of one tensor, noted in the metadata of the index, so that the way back gives the same files. Other programs pass it over.
/// </summary>
internal static class TensorHomes
{
    private const string Field = "moe_files";

    /// <summary>What is noted; nothing where there is no index or no note.</summary>
    /// <exception cref="InvalidDataException">The note is not one.</exception>
    public static IReadOnlyDictionary<string, string> Read(Checkpoint checkpoint)
    {
        var homes = new Dictionary<string, string>(StringComparer.Ordinal);
        var path = Path.Combine(checkpoint.Folder, ShardIndex.FileName);
        if (!File.Exists(path))
            return homes;
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        if (!json.RootElement.TryGetProperty("metadata", out var metadata) || metadata.ValueKind != JsonValueKind.Object || !metadata.TryGetProperty(Field, out var files))
            return homes;
        foreach (var file in files.ValueKind == JsonValueKind.Object ? files.EnumerateObject() : throw Broken(files.GetRawText()))
        {
            if (file.Value.ValueKind != JsonValueKind.String || file.Value.GetString() is not { } name || !name.EndsWith(".safetensors", StringComparison.Ordinal) || !ShardIndex.IsPlainFileName(name))
                throw Broken(file.Value.GetRawText());
            homes[file.Name] = name;
        }
        return homes;

        InvalidDataException Broken(string what) => new($"{path}: {Field} has {what}; it must be an object of plain names of safetensors files.");
    }

    /// <summary>Notes the files of tensors, or takes an old note away.</summary>
    public static void Write(JsonObject index, IEnumerable<KeyValuePair<string, string>> homes)
    {
        var files = new JsonObject(homes.Select(home => KeyValuePair.Create(home.Key, (JsonNode?)home.Value)));
        if (index["metadata"] is not JsonObject metadata)
        {
            if (files.Count == 0)
                return;
            index["metadata"] = metadata = [];
        }
        metadata.Remove(Field);
        if (files.Count > 0)
            metadata[Field] = files;
    }
}
