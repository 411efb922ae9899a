using System.Reflection;
using System.Text.RegularExpressions;
using Moe.Core;

namespace Moe.Training.Tests;

/// <summary>docs/features.md names what there is, and leaves out no router and no loss.</summary>
public sealed partial class FeatureListTests
{
    private static readonly Type[] Public = [.. typeof(MixtureOfExperts).Assembly.GetExportedTypes(), .. typeof(Trainer).Assembly.GetExportedTypes()];

    private static readonly string[] Named =
    [
        .. from quoted in Quoted().Matches(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "features.md")))
           from name in Name().Matches(quoted.Value)
           select name.Value,
    ];

    [Fact]
    public void Every_name_in_the_list_is_that_of_a_type_or_a_member() => Named.Should().HaveCountGreaterThan(100).And.OnlyContain(name => Exists(name));

    [Fact]
    public void Every_published_gate_and_every_kind_of_step_and_loss_is_in_the_list()
    {
        Type[] kinds = [typeof(Router), typeof(Projection), typeof(RoutingNoise), typeof(SelectionRule), typeof(BalanceLoss), typeof(SelectionBalancer), typeof(LambdaRule)];
        var types = Public.Where(type => !type.IsAbstract && kinds.Any(type.IsSubclassOf)).Except([typeof(GatingNetwork), typeof(LinearProjection)]);
        string[] expected =
        [
            .. types.Select(type => type.Name),
            .. MembersOf(typeof(PublishedGates), BindingFlags.Static).Select(member => member.Name),
            .. MembersOf(typeof(ScoreFunction), BindingFlags.Static).OfType<PropertyInfo>().Select(member => member.Name),
            .. Enum.GetNames<Overflow>(),
            .. Enum.GetNames<DroppedTokens>(),
        ];

        expected.Should().HaveCountGreaterThan(40);
        Named.SelectMany(name => name.Split('.')).Should().Contain(expected);
    }

    /// <summary>A type, a type and its member, or a member alone where the text before says whose.</summary>
    private static bool Exists(string name) => name.Split('.') switch
    {
        [var alone] => Public.Any(type => type.Name == alone || Has(type, alone)),
        [var owner, var member] => Public.Any(type => type.Name == owner && Has(type, member)),
        _ => false,
    };

    private static bool Has(Type type, string member) => MembersOf(type, BindingFlags.Static | BindingFlags.Instance).Any(found => found.Name == member);

    private static IEnumerable<MemberInfo> MembersOf(Type type, BindingFlags which) =>
        type.GetMembers(which | BindingFlags.Public | BindingFlags.DeclaredOnly).Where(member => member is not MethodInfo { IsSpecialName: true });

    [GeneratedRegex("`[^`\n]+`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*(\.\w+)*")]
    private static partial Regex Name();
}
