using System.Reflection;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>House rules that hold for every type, also those that come later.</summary>
public sealed partial class ApiRulesTests
{
    private static readonly Type[] Public = typeof(MixtureOfExperts).Assembly.GetExportedTypes();

    [Fact]
    public void Every_public_type_is_in_the_one_namespace() =>
        Public.Should().NotBeEmpty().And.OnlyContain(type => type.Namespace == "Moe.Core");

    [Fact]
    public void Every_options_type_is_a_sealed_record_of_init_only_values()
    {
        var options = Public.Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal)).ToArray();

        options.Should().HaveCountGreaterThanOrEqualTo(3);
        options.Should().OnlyContain(type => type.IsSealed && IsRecord(type));
        options.SelectMany(type => type.GetProperties()).Where(property => property.CanWrite)
            .Should().OnlyContain(property => property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(System.Runtime.CompilerServices.IsExternalInit)));
    }

    [Fact]
    public void No_public_record_holds_a_tensor() =>
        Public.Where(IsRecord).SelectMany(type => type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public))
            .Should().NotBeEmpty().And.NotContain(field => typeof(Tensor).IsAssignableFrom(field.FieldType));

    [Fact]
    public void Every_public_module_names_its_state_in_snake_case()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 1, topK: 1) with { Bias = true, Noise = new LearnedNoise() };
        nn.Module[] modules =
        [
            new GatingNetwork(options),
            new MixtureOfExperts(new GatingNetwork(options), [new LinearExpert(4, 4)], [new ConstantExpert(4, ones(4))]),
            new RoutedSequential(nn.Linear(4, 4)),
            StackedExperts.GatedFeedForward(2, new() { InputWidth = 4, HiddenWidth = 4, Bias = true }),
            new LinearExpert(4, 4),
            new FeedForwardExpert(Make.FeedForward()),
            new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 4, Bias = true }),
            new ConstantExpert(4, ones(4)),
            new IdentityExpert(4),
            new ModuleExpert(nn.Linear(4, 4), 4, 4),
            new SelfGatedExpert(new LinearExpert(4, 4)),
            new SoftRouter(new() { InputWidth = 4, ExpertCount = 2 }),
        ];

        modules.Select(module => module.GetType()).Should().BeEquivalentTo(
            Public.Where(type => type.IsAssignableTo(typeof(nn.Module)) && !type.IsAbstract), "every module of the library is checked");
        modules.SelectMany(module => module.state_dict().Keys).Should().OnlyContain(key => SnakeCase().IsMatch(key));
        modules.Where(module => module is not IdentityExpert).Should().OnlyContain(module => module.state_dict().Count > 0);
        modules.SelectMany(module => module.buffers()).Should().BeEmpty("nothing is kept in a module by accident");
    }

    [Fact]
    public void Classes_that_users_do_not_extend_are_sealed() =>
        Public.Where(type => type is { IsClass: true, IsAbstract: false }).Should().OnlyContain(type => type.IsSealed);

    private static bool IsRecord(Type type) => type.GetMethod("<Clone>$") is not null;

    [GeneratedRegex(@"^[a-z0-9]+(_[a-z0-9]+)*(\.[a-z0-9]+(_[a-z0-9]+)*)*$")]
    private static partial Regex SnakeCase();
}
