using System.IO.Compression;
using System.Xml.Linq;
using Moe.Build.Support;

namespace Moe.Build.Packages;

/// <summary>The packages of this repository, packed once for all tests into a folder of their own.</summary>
public sealed class PackageFeed : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public PackageFeed()
    {
        // Built apart from the folders of the repository, where a build of the other tests may be going on.
        foreach (var project in Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            DotNet.Run(
                Repository.Root, "pack", project, "-c", "Release", "-o", Folder, "-p:Version=" + Version,
                "--artifacts-path", folder.File("artifacts")).Succeeded();
        }
    }

    /// <summary>A version that was never packed before: a cache of packages keeps what it has once seen.</summary>
    public string Version { get; } = "0.1.0-test." + Guid.NewGuid().ToString("N");

    public string Folder => folder.File("feed");

    public IReadOnlyList<string> Files(string package, string extension = "nupkg")
    {
        using var archive = ZipFile.OpenRead(PathOf(package, extension));
        return [.. archive.Entries.Select(entry => entry.FullName)];
    }

    public string Text(string package, string file)
    {
        using var archive = ZipFile.OpenRead(PathOf(package, "nupkg"));
        using var reader = new StreamReader(archive.GetEntry(file)!.Open());
        return reader.ReadToEnd();
    }

    /// <summary>The part of the manifest that says what the package is.</summary>
    public XElement Manifest(string package) =>
        XDocument.Parse(Text(package, package + ".nuspec")).Root!.Elements().Single();

    public void Dispose()
    {
        foreach (var cached in Directory.GetDirectories(Repository.PackageCache, "moe.*"))
        {
            var version = Path.Combine(cached, Version);
            if (!Directory.Exists(version))
                continue;
            Directory.Delete(version, recursive: true);
            if (!Directory.EnumerateFileSystemEntries(cached).Any())
                Directory.Delete(cached);
        }

        folder.Dispose();
    }

    private string PathOf(string package, string extension) =>
        Path.Combine(Folder, $"{package}.{Version}.{extension}");
}

/// <summary>Tests in the collection of this name share one feed.</summary>
[CollectionDefinition(nameof(PackageFeed))]
public sealed class SharedPackageFeed : ICollectionFixture<PackageFeed>;
