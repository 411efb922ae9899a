namespace Moe.HuggingFace;

/// <summary>Makes a folder as a whole: it is there with all its files, or not at all.</summary>
internal static class AtomicFolder
{
    /// <summary>Writes the folder. On an exception nothing is left of it, nor of the folders that were made to have it in.</summary>
    /// <exception cref="IOException">There is something at that place already, or it cannot be written; the message names it.</exception>
    public static void Write(string folder, Action<string> write)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(full) || (Directory.Exists(full) && Directory.EnumerateFileSystemEntries(full).Any()))
            throw new IOException($"{full} is there already; take a folder that is not, or an empty one.");
        var temporary = full + ".tmp";
        if (Path.Exists(temporary))
            throw new IOException($"{temporary} is there already, left by a conversion that was killed or used by one that runs; remove it first.");
        var made = Topmost(temporary);
        try
        {
            Named(full, () => Directory.CreateDirectory(temporary));
            write(temporary);
            Named(full, () =>
            {
                if (Directory.Exists(full))
                    Directory.Delete(full);
                Directory.Move(temporary, full);
            });
        }
        catch
        {
            Remove(temporary, made);
            throw;
        }
    }

    /// <summary>The first folder on the way there that has to be made.</summary>
    private static string Topmost(string folder)
    {
        while (Path.GetDirectoryName(folder) is { } parent && !Path.Exists(parent))
            folder = parent;
        return folder;
    }

    /// <summary>Removes a folder, and those above it as far as one if nobody has put anything there. A leftover does no harm, so that failing to remove it must not hide why there is one.</summary>
    private static void Remove(string folder, string last)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            while (folder != last)
            {
                folder = Path.GetDirectoryName(folder)!;
                if (Directory.Exists(folder))
                    Directory.Delete(folder);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static void Named(string folder, Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder} cannot be written: {exception.Message}", exception);
        }
    }
}
