namespace Moe.Training.Tests.Checkpoints;

/// <summary>A folder of its own, gone afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("moe-checkpoint-").FullName;

    public string File(string name = "training.ckpt") => Path.Combine(_path, name);

    public string[] Names() => [.. Directory.EnumerateFileSystemEntries(_path).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
