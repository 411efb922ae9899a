namespace Moe.Build.Support;

/// <summary>A program outside of the repository that is built by its rules, as the samples are.</summary>
internal static class HouseProgram
{
    public static string Write(TemporaryFolder folder)
    {
        foreach (var rules in new[] { "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props" })
            folder.Write($"program/{rules}", $"<Project><Import Project=\"{Repository.Root}{rules}\" /></Project>");

        folder.Write("program/Program.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <OutDir>out/</OutDir>
                <UseTorchBackend>true</UseTorchBackend>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="TorchSharp" />
              </ItemGroup>
            </Project>
            """);
        folder.Write("program/Program.cs", """
            System.Console.WriteLine(string.Create(
                System.Globalization.CultureInfo.InvariantCulture, $"sum {TorchSharp.torch.ones(3).sum().item<float>()}"));

            """);
        return folder.File("program");
    }
}
