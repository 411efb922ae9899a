namespace Moe.Training;

/// <summary>Replaces a file as a whole: whoever looks at it, at whatever moment a writer dies, sees the old one or the new one.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the file, flushes to the disk, renames. When writing throws, the file is as it was.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = Temporary(path);
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);

                // The new name must not reach the disk before the bytes do.
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, Path.GetFullPath(path), overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Makes the folder if need be, and finds out before hours of work whether a file can be written there.</summary>
    /// <exception cref="IOException">It cannot.</exception>
    public static void RequireWritable(string path)
    {
        try
        {
            var temporary = Temporary(path);
            using (File.Create(temporary))
            {
            }
            File.Delete(temporary);
            if (Directory.Exists(path))
                throw new IOException("It is a folder.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new IOException($"The checkpoint {path} cannot be written: {exception.Message}", exception);
        }
    }

    private static string Temporary(string path)
    {
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        return full + ".tmp";
    }
}
