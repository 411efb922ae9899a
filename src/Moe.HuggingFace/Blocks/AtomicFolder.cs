namespace Moe.HuggingFace;

/// <summary>Makes a folder as a whole: it is there with all its files, or not at all.</summary>
internal static class AtomicFolder
{
    /// <exception cref="IOException">There is something at that place already, or it cannot be written.</exception>
    public static void Write(string folder, Action<string> write)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(full) || (Directory.Exists(full) && Directory.EnumerateFileSystemEntries(full).Any()))
            throw new IOException($"{full} is there already; take a folder that is not, or an empty one.");
        var temporary = full + ".tmp";
        if (Directory.Exists(temporary))
            throw new IOException($"{temporary} is there already, left by a conversion that was killed or used by one that runs; remove it first.");
        try
        {
            Directory.CreateDirectory(temporary);
            write(temporary);
            if (Directory.Exists(full))
                Directory.Delete(full);
            Directory.Move(temporary, full);
        }
        catch
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
            throw;
        }
    }
}
