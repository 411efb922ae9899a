using System.Reflection;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Rules over the library as a whole, which no single test of a class could hold.</summary>
public sealed partial class SourceRulesTests
{
    private static readonly Type[] Types = typeof(MixtureOfExperts).Assembly.GetTypes();

    [Fact]
    public void One_place_alone_reads_from_the_device()
    {
        var reads = Code().SelectMany(line => DeviceRead().Matches(line.Text).Select(match => $"{line.File}: {match.Value}"));

        reads.Should().Equal("RoutingCounts.cs: .cpu(", "RoutingCounts.cs: .data<");
    }

    [Fact]
    public void No_loop_in_the_layer_runs_over_tokens()
    {
        Code().Where(line => Loop().IsMatch(line.Text)).Should().BeEmpty("a loop over the rows of a tensor is a loop over tokens");
    }

    [Fact]
    public void Public_classes_are_sealed_static_or_meant_to_be_built_upon() =>
        Types.Where(type => type is { IsPublic: true, IsClass: true, IsSealed: false }).Should().BeEquivalentTo([typeof(StackableExpert)]);

    [Fact]
    public void Only_the_library_can_build_upon_a_stackable_expert() =>
        typeof(StackableExpert).GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Should().OnlyContain(constructor => constructor.IsFamilyAndAssembly);

    [Fact]
    public void Fields_are_private_and_no_state_is_shared_between_layers()
    {
        var fields = Types.Where(type => type.Namespace == "Moe.Core" && !type.IsEnum && !type.Name.StartsWith('<'))
            .SelectMany(type => type.GetFields(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly));

        fields.Where(field => !field.IsPrivate && !field.DeclaringType!.Name.Contains('<', StringComparison.Ordinal)).Should().BeEmpty();
        fields.Where(field => field.IsStatic && !field.IsInitOnly && !field.IsLiteral && !field.DeclaringType!.Name.Contains('<', StringComparison.Ordinal))
            .Should().BeEmpty();
    }

    [Fact]
    public void Options_and_decisions_cannot_be_changed_once_made()
    {
        Type[] immutable = [typeof(GatingOptions), typeof(FeedForwardOptions), typeof(GatedFeedForwardOptions), typeof(Activation), typeof(RoutingDecision), typeof(RoutingReport), typeof(MixtureOutput), typeof(LayerRouting)];

        foreach (var property in immutable.SelectMany(type => type.GetProperties(BindingFlags.Instance | BindingFlags.Public)))
        {
            var isInit = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(System.Runtime.CompilerServices.IsExternalInit));
            (property.SetMethod is null || isInit == true).Should().BeTrue("{0}.{1} must not be settable", property.DeclaringType, property.Name);
        }
    }

    [Fact]
    public void Every_public_method_that_takes_tensors_is_named_as_torch_or_as_dotnet_names_it()
    {
        var methods = Types.Where(type => type.IsPublic)
            .SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(method => !method.IsSpecialName && method.GetParameters().Any(parameter => parameter.ParameterType == typeof(Tensor)));

        methods.Should().OnlyContain(method => method.Name == "forward" || char.IsUpper(method.Name[0]));
    }

    [Fact]
    public void Experts_that_are_modules_give_torch_the_forward_that_a_layer_asks_for() =>
        Types.Where(type => type is { IsPublic: true, IsClass: true } && typeof(IExpert).IsAssignableFrom(type) && typeof(nn.Module).IsAssignableFrom(type))
            .Should().OnlyContain(type => typeof(nn.Module<Tensor, Tensor>).IsAssignableFrom(type)).And.HaveCountGreaterThan(5);

    /// <summary>The library's lines without those that are comments.</summary>
    private static IEnumerable<(string File, string Text)> Code() => Sources()
        .SelectMany(file => File.ReadLines(file).Select(line => (File: Path.GetFileName(file), Text: line)))
        .Where(line => !line.Text.TrimStart().StartsWith("//", StringComparison.Ordinal));

    private static string[] Sources()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "MoE.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds MoE.sln.");
        var core = Path.Combine(folder.FullName, "src", "Moe.Core");
        // What lies in buildTransitive is run by the build, not by the library.
        var files = Directory.EnumerateFiles(core, "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(core, file).Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin" or "buildTransitive"))
            .Order(StringComparer.Ordinal)
            .ToArray();
        files.Should().HaveCountGreaterThan(30);
        return files;
    }

    /// <summary>The ways in which TorchSharp brings values to the host.</summary>
    [GeneratedRegex(@"\.(cpu\(|item<|data<|ToInt(32|64)\(|ToSingle\(|ToDouble\(|ToBoolean\(|bytes\b|nonzero\(|unique\w*\(|bincount\(|masked_select\()")]
    private static partial Regex DeviceRead();

    [GeneratedRegex(@"\b(for|foreach|while)\b.*\b([Tt]okens?|size\(|shape\[)")]
    private static partial Regex Loop();
}
