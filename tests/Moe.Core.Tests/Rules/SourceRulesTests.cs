using System.Text.RegularExpressions;

namespace Moe.Core.Tests;

/// <summary>What only the source can tell: how often the device is read from.</summary>
public sealed partial class SourceRulesTests
{
    [Fact]
    public void One_place_on_the_way_of_a_token_reads_from_the_device()
    {
        var reads = Lines().Where(line => ReadsFromDevice().IsMatch(line.Text)).Select(line => $"{line.File}: {line.Text}");

        // The look at memory that the host has anyway, and who may take it; the transfer, and the look at what has arrived. Besides: a router whose choice is solved on the host, what processes add up once an
        // optimizer step, and a trace, a gate's health or a comparison of two layers that somebody asks for.
        reads.Should().BeEquivalentTo(
            "HostMemory.cs: where T : unmanaged => MemoryMarshal.Cast<byte, T>(contiguousCpuTensor.bytes);",
            "HostMemory.cs: return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(contiguousCpuTensor.bytes));",
            "HostMemory.cs: return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));",
            "HostPath.cs: public static bool Allows(Tensor tensor) => tensor.device_type == DeviceType.CPU && !_forbidden && tensor.numel() <= int.MaxValue / sizeof(long);",
            "RoutingCounts.cs: using var onHost = torch.cat([kept, assigned, .. scalars.There.Select(scalar => scalar.reshape(1))]).cpu();",
            "RoutingCounts.cs: var numbers = onHost.data<long>().ToArray();",
            "BalancedAssignmentSelection.cs: using var onHost = cat([input.Logits.detach().to(ScalarType.Float64), real], 1).cpu();",
            "GateHealth.cs: using var onHost = measured.cpu();",
            "GateHealth.cs: var numbers = onHost.data<double>();",
            "PreservationReport.cs: using var onHost = stack([size.max(), size.mean(), relative.max(), relative.mean(), rerouted.sum()]).cpu();",
            "PreservationReport.cs: var numbers = onHost.data<double>();",
            "BalancedAssignmentSelection.cs: var assigned = BalancedAssignment.Solve(onHost.data<double>().ToArray(), tokens, experts);",
            "ProcessSum.cs: var numbers = values.cpu().data<double>().ToArray();",
            "RoutingTrace.cs: var all = stack(parts.Select(part => part.to(ScalarType.Float64))).cpu().data<double>().ToArray();");
    }

    [Fact]
    public void Only_loops_that_have_a_twin_for_other_devices_read_the_hosts_memory()
    {
        var loops = Lines().Where(line => line.Text.Contains("HostMemory.", StringComparison.Ordinal)).Select(line => line.File).Distinct();

        loops.Should().BeEquivalentTo(
            "HostCounting.cs", "LargestOfRow.cs", "Weighting.cs", "AssignmentOrder.cs", "TokenSums.cs", "RowPointers.cs", "FloatExperts.cs", "FloatExpertsMemory.cs");
    }

    /// <summary>Also nonzero, unique and masks as indices: their results have sizes that the host must learn.</summary>
    [GeneratedRegex(@"\.(cpu\(|item<|data<|bytes\b|ToScalar|ToBoolean|ToInt32\(|ToInt64\(|ToSingle\(|ToDouble\(|tolist|nonzero|unique|masked_select|bincount|Equals\(|allclose|equal\()|\(CPU|DeviceType\.CPU")]
    private static partial Regex ReadsFromDevice();

    /// <summary>The library's lines, comments left out.</summary>
    private static IEnumerable<(string File, string Text)> Lines() =>
        from file in Directory.EnumerateFiles(Source(), "*.cs", SearchOption.AllDirectories)
        where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
            && !file.Contains("buildTransitive", StringComparison.Ordinal)
        from line in File.ReadLines(file)
        where !line.TrimStart().StartsWith("//", StringComparison.Ordinal)
        select (Path.GetFileName(file), line.Trim());

    private static string Source()
    {
        // Not from the path the compiler saw: reproducible builds replace it.
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var source = Path.Combine(folder.FullName, "src", "Moe.Core");
            if (Directory.Exists(source))
                return source;
        }
        throw new DirectoryNotFoundException($"There is no src/Moe.Core above {AppContext.BaseDirectory}.");
    }
}
