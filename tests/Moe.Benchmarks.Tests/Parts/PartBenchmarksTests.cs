using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Running;
using Moe.Benchmarks.Parts;
using Moe.Benchmarks.Parts.Products;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Parts;

public sealed class PartBenchmarksTests
{
    public static TheoryData<Type> Classes =>
    [
        .. typeof(PartAgreement).Assembly.GetTypes().Where(type => !type.IsAbstract && With<BenchmarkAttribute>(type).Any()),
    ];

    [Theory]
    [MemberData(nameof(Classes))]
    public void Every_set_of_parameters_has_one_baseline_and_something_to_compare(Type type)
    {
        var cases = BenchmarkConverter.TypeToBenchmarks(type).BenchmarksCases;

        cases.Should().NotBeEmpty();
        cases.GroupBy(one => one.Parameters.DisplayInfo).Should().OnlyContain(group => group.Count(one => one.Descriptor.Baseline) == 1 && group.Count() > 1);
    }

    [Theory]
    [MemberData(nameof(Classes))]
    public void The_ways_agree_where_they_are_smallest_and_leave_nothing(Type type)
    {
        var part = Activator.CreateInstance(type)!;
        foreach (var property in type.GetProperties())
        {
            if (property.GetCustomAttribute<ParamsAttribute>() is { } parameters)
                property.SetValue(part, parameters.Values.Min());
        }
        var threads = get_num_threads();
        DisposeScopeManager.Statistics.Reset();

        // The setup compares, and throws where two ways differ.
        With<GlobalSetupAttribute>(type).Single().Invoke(part, null);
        var kept = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        foreach (var way in With<BenchmarkAttribute>(type))
        {
            way.Invoke(part, null);
            DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(kept, way.Name);
        }
        With<GlobalCleanupAttribute>(type).Single().Invoke(part, null);

        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
        get_num_threads().Should().Be(threads);
    }

    [Fact]
    public void Weighted_sums_are_not_measured_beyond_what_they_are_for() =>
        BenchmarkConverter.TypeToBenchmarks(typeof(PlainProductBenchmarks)).BenchmarksCases
            .Where(one => one.Descriptor.WorkloadMethod.Name == nameof(ProductBenchmarks.FewRows))
            .Select(one => (int)one.Parameters[nameof(ProductBenchmarks.Rows)])
            .Should().Equal(2, 3);

    private static IEnumerable<MethodInfo> With<TAttribute>(Type type)
        where TAttribute : Attribute =>
        type.GetMethods().Where(method => method.GetCustomAttribute<TAttribute>() is not null);
}
