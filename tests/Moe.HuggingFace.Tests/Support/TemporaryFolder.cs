namespace Moe.HuggingFace.Tests;

/// <summary>A folder of its own, gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory("moe-huggingface-").FullName;

    public string File(string name = "model.safetensors") => Path.Combine(FullName, name);

    public string[] Names() => [.. Directory.EnumerateFileSystemEntries(FullName).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
