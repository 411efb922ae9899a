using System.Text.Json;

namespace Moe.Samples.Tests;

/// <summary>A folder for what a sample reads and writes, gone when disposed.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("moe-samples-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public bool Has(string name) => System.IO.File.Exists(File(name));

    public string Write(string name, IEnumerable<string> lines)
    {
        System.IO.File.WriteAllLines(File(name), lines);
        return File(name);
    }

    /// <summary>What a sample wrote there, as JSON: no NaN in it, or it could not be read.</summary>
    public JsonElement Json(string name)
    {
        using var document = JsonDocument.Parse(System.IO.File.ReadAllText(File(name)));
        return document.RootElement.Clone();
    }

    /// <summary>Width and height of a picture that a sample drew.</summary>
    public (int Width, int Height) Png(string name)
    {
        var bytes = System.IO.File.ReadAllBytes(File(name));
        bytes.Take(8).Should().Equal(0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A);
        return (BinaryPrimitives(16), BinaryPrimitives(20));

        int BinaryPrimitives(int place) => System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(place, 4));
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
