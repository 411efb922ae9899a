namespace Moe.HuggingFace.Tests;

/// <summary>Folders and files that are the same to the byte.</summary>
internal static class SameFiles
{
    /// <summary>Both folders have the same files, and nothing else.</summary>
    public static void Require(string actual, string expected)
    {
        Directory.EnumerateFileSystemEntries(actual).Select(Path.GetFileName).Should().BeEquivalentTo(Directory.EnumerateFileSystemEntries(expected).Select(Path.GetFileName));
        foreach (var path in Directory.EnumerateFiles(expected))
            RequireFile(Path.Combine(actual, Path.GetFileName(path)), path);
    }

    /// <summary>Both files have the same bytes.</summary>
    public static void RequireFile(string actual, string expected) =>
        File.ReadAllBytes(actual).AsSpan().SequenceEqual(File.ReadAllBytes(expected)).Should().BeTrue("{0} is the same to the byte", expected);
}
