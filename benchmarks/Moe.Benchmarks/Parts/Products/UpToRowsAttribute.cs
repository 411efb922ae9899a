using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Filters;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>Leaves one benchmark of a class out where there are more rows than its loops are made for.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class UpToRowsAttribute(string benchmark, int most)
    : FilterConfigBaseAttribute(new SimpleFilter(one => one.Descriptor.WorkloadMethod.Name != benchmark || (int)one.Parameters[nameof(ProductBenchmarks.Rows)] <= most))
{
    public string Benchmark { get; } = benchmark;

    public int Most { get; } = most;
}
