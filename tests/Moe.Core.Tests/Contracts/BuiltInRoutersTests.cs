using System.Reflection;

namespace Moe.Core.Tests;

/// <summary>No way of routing is left out of what is put to the test, also none that comes later.</summary>
public sealed class BuiltInRoutersTests
{
    private static readonly GatingOptions[] Options = [.. BuiltInRouters.All.Values.Select(router => router.Options).OfType<GatingOptions>()];

    [Fact]
    public void Every_router_is_there() =>
        // SoftRouter is what is built without options of a gate.
        Concrete(typeof(Router)).Should().BeEquivalentTo([typeof(GatingNetwork), typeof(SoftRouter)]);

    [Fact]
    public void Every_published_gate_is_there() =>
        typeof(PublishedGates).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly).Select(method => method.Name)
            .Should().NotBeEmpty().And.BeSubsetOf(BuiltInRouters.All.Keys);

    [Fact]
    public void Every_selection_rule_is_there() =>
        Concrete(typeof(SelectionRule)).Should().BeEquivalentTo(Options.Select(options => options.Selection.GetType()).Distinct());

    [Fact]
    public void Every_projection_is_there() =>
        Concrete(typeof(Projection)).Should().BeEquivalentTo(Options.Select(options => options.Projection.GetType()).Distinct());

    [Fact]
    public void Every_noise_is_there() =>
        Concrete(typeof(RoutingNoise)).Should().BeEquivalentTo(Options.Select(options => options.Noise?.GetType()).OfType<Type>().Distinct());

    [Fact]
    public void Every_score_function_is_there() =>
        typeof(ScoreFunction).GetProperties(BindingFlags.Public | BindingFlags.Static).Select(property => property.GetValue(null))
            .Should().NotBeEmpty().And.BeEquivalentTo(Options.Select(options => options.Score).Distinct());

    [Fact]
    public void Every_setting_that_has_names_is_there()
    {
        All<SoftmaxOrder>(options => options.Softmax);
        All<WeightTarget>(options => options.WeightTarget);
        All(options => options.Capacity?.Overflow);
        All(options => options.Capacity?.Scope);
        All(options => options.Capacity?.Rounding);
        All(options => options.Capacity?.Dropped);

        static void All<T>(Func<GatingOptions, T?> setting)
            where T : struct, Enum => Options.Select(setting).OfType<T>().Distinct().Should().BeEquivalentTo(Enum.GetValues<T>());
    }

    private static IEnumerable<Type> Concrete(Type type) =>
        typeof(Router).Assembly.GetExportedTypes().Where(candidate => !candidate.IsAbstract && candidate.IsAssignableTo(type));
}
