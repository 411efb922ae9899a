namespace Moe.Training;

/// <summary>Replaces a file as a whole: whoever looks at it, at whatever moment a writer dies, sees the old one or the new one.</summary>
/// <remarks>
/// The bytes are on the disk before the name points at them. The name itself gets there when the operating system writes the folder; .NET
/// has no way to wait for that. A power cut right after a write may therefore bring back the old file, a whole one.
/// </remarks>
internal static class AtomicFile
{
    /// <summary>Writes the file. On an exception the old one stays, and nothing is left beside it.</summary>
    /// <exception cref="IOException">It cannot be written there; the message names it.</exception>
    public static void Write(string path, Action<Stream> write) => Beside(path, (temporary, full) =>
    {
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
        {
            write(stream);

            // The new name must not reach the disk before the bytes do.
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, full, overwrite: true);
    });

    /// <summary>Makes the folder if need be, and finds out before hours of work whether a file can be written there.</summary>
    /// <exception cref="IOException">It cannot; the message names it.</exception>
    public static void RequireWritable(string path) => Beside(path, (temporary, full) =>
    {
        File.Create(temporary).Dispose();
        if (Directory.Exists(full))
            throw new IOException("It is a folder.");
    });

    /// <summary>Does something with a second file beside the first, in a folder that is there, and leaves no second file behind.</summary>
    private static void Beside(string path, Action<string, string> action)
    {
        var full = Path.GetFullPath(path);
        var temporary = full + ".tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(full) ?? full);
            action(temporary, full);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{full} cannot be written: {exception.Message}", exception);
        }
        finally
        {
            Remove(temporary);
        }
    }

    /// <summary>A leftover does no harm, so that failing to remove it must not hide why there is one.</summary>
    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
