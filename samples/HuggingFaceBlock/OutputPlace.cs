using Moe.HuggingFace;

namespace HuggingFaceBlock;

/// <summary>Where a file is written: not in the place of one that is read.</summary>
internal static class OutputPlace
{
    /// <exception cref="ArgumentException">The file is the input, or one of the checkpoint.</exception>
    public static void Require(string path, string inputPath, string folder)
    {
        var full = Path.GetFullPath(path);
        if (IsSame(full, inputPath))
            throw new ArgumentException($"{path} is the input itself; write to another file.");
        if (File.Exists(full) && IsSame(Path.GetDirectoryName(full)!, folder) && FilesOf(folder).Any(name => IsSame(full, Path.Combine(folder, name))))
            throw new ArgumentException($"{path} is a file of the checkpoint; write to another file.");
    }

    private static string[] FilesOf(string folder)
    {
        using var tensors = SafetensorsFolder.Open(folder);
        return [.. tensors.Files, "config.json", "model.safetensors.index.json"];
    }

    /// <summary>Some file systems take capitals for small letters, and nobody has two files whose names differ by that alone.</summary>
    private static bool IsSame(string full, string other) =>
        string.Equals(full, Path.TrimEndingDirectorySeparator(Path.GetFullPath(other)), StringComparison.OrdinalIgnoreCase);
}
