namespace Moe.HuggingFace;

/// <summary>What lies in a checkpoint's folder beside its tensors: settings, index, tokenizer.</summary>
internal static class SideFiles
{
    /// <summary>Copies all of it but the files that are written instead. Folders are left out.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="instead">By file name, what writes the file of the result, given the paths of the old one and the new one.</param>
    /// <param name="cancellationToken">Ends it between two files.</param>
    public static void Copy(Checkpoint source, string folder, IReadOnlyDictionary<string, Action<string, string>> instead, CancellationToken cancellationToken)
    {
        var tensors = source.Files.Files.ToHashSet(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(source.Folder))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var name = Path.GetFileName(path);
            if (!tensors.Contains(name))
                instead.GetValueOrDefault(name, File.Copy)(path, Path.Combine(folder, name));
        }
    }
}
