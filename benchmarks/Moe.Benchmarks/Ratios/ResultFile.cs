namespace Moe.Benchmarks.Ratios;

/// <summary>A file that appears as a whole, at the end. That it can be written is known before anything is measured.</summary>
internal sealed class ResultFile : IDisposable
{
    private readonly string _path;
    private readonly string _unfinished;
    private readonly StreamWriter _writer;

    /// <exception cref="IOException">The path cannot be written to.</exception>
    public ResultFile(string path)
    {
        _path = path;
        _unfinished = path + ".unfinished";
        try
        {
            if (Directory.Exists(path))
                throw new IOException("it is a folder.");
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
                throw new IOException($"there is no folder {folder}.");
            if (File.Exists(path))
                File.OpenWrite(path).Dispose();
            _writer = new StreamWriter(_unfinished);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new IOException($"--json ({path}) cannot be written: {exception.Message}", exception);
        }
    }

    public void Write(string text)
    {
        _writer.Write(text);
        _writer.Dispose();
        File.Move(_unfinished, _path, overwrite: true);
    }

    public void Dispose()
    {
        _writer.Dispose();
        File.Delete(_unfinished);
    }
}
