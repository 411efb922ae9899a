namespace Moe.HuggingFace.Tests;

/// <summary>Files that come with the tests.</summary>
internal static class Fixture
{
    public static string Path(string name) => System.IO.Path.Combine(AppContext.BaseDirectory, "Fixtures", name);
}
