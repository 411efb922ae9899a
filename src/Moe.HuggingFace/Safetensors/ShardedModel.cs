using System.Text.RegularExpressions;
using Moe.Training;

namespace Moe.HuggingFace;

/// <summary>Replaces the files of a model in a folder, all together.</summary>
internal static partial class ShardedModel
{
    private const string SingleFile = "model.safetensors";

    /// <summary>Writes all files beside the old ones first, and puts them in their place when all are complete.</summary>
    /// <param name="folder">The folder's full path.</param>
    /// <param name="shards">Its files.</param>
    /// <param name="write">Writes one of them to a path.</param>
    public static void Replace(string folder, List<FilePlan> shards, Action<string, FilePlan> write)
    {
        var names = shards.Count == 1 ? [SingleFile] : shards.Select((_, place) => $"model-{place + 1:d5}-of-{shards.Count:d5}.safetensors").ToArray();
        var unfinished = Path.Combine(folder, "model.unfinished");
        var isNew = !Directory.Exists(folder);
        try
        {
            for (var place = 0; place < names.Length; place++)
                write(Path.Combine(unfinished, names[place]), shards[place]);
            if (names.Length > 1)
                AtomicFile.Write(Path.Combine(unfinished, ShardIndex.FileName), stream => stream.Write(Index(names, shards)));
            Move(unfinished, folder, names);
        }
        catch
        {
            DeleteFolder(unfinished);
            if (isNew && Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
                DeleteFolder(folder);
            throw;
        }
        DeleteFolder(unfinished);
    }

    /// <summary>The names that tools give to the files of models.</summary>
    [GeneratedRegex(@"^model(-\d{5,}-of-\d{5,})?\.safetensors$", RegexOptions.CultureInvariant)]
    private static partial Regex FileNames();

    private static void Move(string unfinished, string folder, string[] names)
    {
        // Without its index the old model is none; from here to the last line there is none in the folder.
        File.Delete(Path.Combine(folder, ShardIndex.FileName));
        foreach (var name in names)
            File.Move(Path.Combine(unfinished, name), Path.Combine(folder, name), overwrite: true);
        foreach (var old in Directory.GetFiles(folder, "*.safetensors"))
        {
            if (FileNames().IsMatch(Path.GetFileName(old)) && !names.Contains(Path.GetFileName(old), StringComparer.Ordinal))
                File.Delete(old);
        }
        if (names.Length > 1)
            File.Move(Path.Combine(unfinished, ShardIndex.FileName), Path.Combine(folder, ShardIndex.FileName), overwrite: true);
    }

    private static byte[] Index(string[] names, List<FilePlan> shards) => ShardIndex.Format(
        shards.Sum(shard => shard.Entries.Sum(entry => entry.ByteCount)),
        shards.SelectMany((shard, place) => shard.Entries.Select(entry => KeyValuePair.Create(entry.Name, names[place]))));

    /// <summary>A leftover does no harm, so that failing to remove it must not hide why there is one.</summary>
    private static void DeleteFolder(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
