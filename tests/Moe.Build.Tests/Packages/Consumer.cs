using Moe.Build.Support;

namespace Moe.Build.Packages;

/// <summary>A console project outside of the repository that references the packages as any user would.</summary>
public sealed class Consumer : IDisposable
{
    // Whether files are linked or copied does not change the outcome, only a gigabyte a publish.
    private static readonly string[] Settings =
    [
        "-c", "Release",
        "-p:CreateHardLinksForCopyLocalIfPossible=true",
        "-p:CreateHardLinksForPublishFilesIfPossible=true",
    ];

    private readonly TemporaryFolder folder = new();

    public Consumer(PackageFeed feed)
    {
        ArgumentNullException.ThrowIfNull(feed);

        foreach (var file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Consumer")))
            folder.Write(Path.GetFileName(file), File.ReadAllText(file));

        folder.Write("Directory.Build.props", $"""
            <Project>
              <PropertyGroup>
                <MoeVersion>{feed.Version}</MoeVersion>
                <TorchSharpVersion>{Repository.TorchSharpVersion}</TorchSharpVersion>
              </PropertyGroup>
            </Project>
            """);
        folder.Write("nuget.config", $"""
            <configuration>
              <packageSources>
                <add key="packed" value="{feed.Folder}" />
              </packageSources>
            </configuration>
            """);

        FirstBuild = DotNet.Run(folder.Path, ["build", "-v:normal", .. Settings]).Succeeded();
        SecondBuild = DotNet.Run(folder.Path, ["build", "-v:normal", .. Settings]).Succeeded();
    }

    /// <summary>What the first build printed, in detail.</summary>
    public string FirstBuild { get; }

    /// <summary>What a build without any change after it printed.</summary>
    public string SecondBuild { get; }

    /// <summary>The library of TorchSharp for Linux in the output of these builds.</summary>
    internal string BuiltLibrary => folder.File(
        "bin", "Release", "net10.0", "runtimes", "linux-x64", "native", Path.GetFileName(Repository.TorchSharpLibrary));

    internal string Run() => DotNet.Run(folder.Path, "run", "-c", "Release", "--no-build").Succeeded();

    internal string Build(string output, params string[] more) => Output("build", output, more);

    internal string Publish(string output, params string[] more) => Output("publish", output, more);

    public void Dispose() => folder.Dispose();

    private string Output(string command, string output, string[] more)
    {
        var path = folder.File("bin", output);
        DotNet.Run(folder.Path, [command, "-o", path, .. Settings, .. more]).Succeeded();
        return path;
    }
}
