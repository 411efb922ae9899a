using System.Xml.Linq;
using Moe.Build.Support;

namespace Moe.Build.Packages;

[Collection(nameof(PackageFeed))]
public class PackageTests(PackageFeed feed)
{
    private static readonly string[] Names = ["Moe.Core", "Moe.Testing", "Moe.Training", "Moe.Terminal", "Moe.Classical", "Moe.MLNet", "Moe.HuggingFace"];

    public static TheoryData<string> Packages { get; } = [.. Names];

    [Fact]
    public void Every_project_of_src_is_packed() =>
        Directory.GetFiles(feed.Folder, "*.nupkg").Select(Path.GetFileName)
            .Should().BeEquivalentTo(Names.Select(name => $"{name}.{feed.Version}.nupkg"));

    [Theory]
    [MemberData(nameof(Packages))]
    public void Package_has_library_documentation_readme_and_symbols(string package)
    {
        feed.Files(package).Should()
            .Contain([$"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml", "README.md"]);
        feed.Files(package, "snupkg").Should().Contain($"lib/net10.0/{package}.pdb");
        feed.Text(package, "README.md").Should()
            .Be(File.ReadAllText(Path.Combine(Repository.Root, "src", package, "README.md")));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Manifest_names_licence_readme_description_and_tags(string package)
    {
        var manifest = feed.Manifest(package);

        Value(manifest, "license").Should().Be("MIT");
        Child(manifest, "license").Attribute("type")!.Value.Should().Be("expression");
        Value(manifest, "readme").Should().Be("README.md");
        Value(manifest, "description").Should().NotBeNullOrWhiteSpace();
        Value(manifest, "tags").Should().Contain("mixture-of-experts");
        Value(manifest, "authors").Should().Be("The Moe authors");
    }

    [Theory]
    [InlineData("Moe.Core", "TorchSharp")]
    [InlineData("Moe.Testing", "Moe.Core")]
    [InlineData("Moe.Training", "Moe.Core")]
    [InlineData("Moe.Terminal", "Moe.Training", "Spectre.Console")]
    [InlineData("Moe.Classical", "Moe.Core")]
    [InlineData("Moe.HuggingFace", "Moe.Core")]
    [InlineData("Moe.MLNet", "Moe.Classical", "Microsoft.ML", "Microsoft.ML.FastTree", "Microsoft.ML.LightGbm", "LightGBM", "System.Numerics.Tensors")]
    public void Package_depends_on_no_more_than_it_has_to(string package, params string[] dependencies) =>
        feed.Manifest(package).Descendants().Where(element => element.Name.LocalName == "dependency")
            .Select(dependency => dependency.Attribute("id")!.Value)
            .Should().BeEquivalentTo(dependencies);

    [Fact]
    public void Packages_depend_on_each_other_in_the_version_they_were_packed_with() =>
        feed.Manifest("Moe.Training").Descendants().Single(element => element.Name.LocalName == "dependency")
            .Attribute("version")!.Value.Should().Be(feed.Version);

    [Fact]
    public void Core_carries_the_native_fix_and_nothing_else_for_builds() =>
        feed.Files("Moe.Core").Where(file => file.StartsWith("build", StringComparison.Ordinal)).Should()
            .BeEquivalentTo("buildTransitive/Moe.Core.targets", "buildTransitive/WeakenElfVersion.cs");

    private static XElement Child(XElement manifest, string name) =>
        manifest.Elements().Single(element => element.Name.LocalName == name);

    private static string Value(XElement manifest, string name) => Child(manifest, name).Value;
}
