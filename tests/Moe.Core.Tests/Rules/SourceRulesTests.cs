using System.Text.RegularExpressions;

namespace Moe.Core.Tests;

/// <summary>What only the source can tell: how often the device is read from.</summary>
public sealed partial class SourceRulesTests
{
    [Fact]
    public void One_place_on_the_way_of_a_token_reads_from_the_device()
    {
        var reads =
            from file in Directory.EnumerateFiles(Source(), "*.cs", SearchOption.AllDirectories)
            where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                && !file.Contains("buildTransitive", StringComparison.Ordinal)
            from line in File.ReadLines(file)
            where !line.TrimStart().StartsWith("//", StringComparison.Ordinal) && ReadsFromDevice().IsMatch(line)
            select $"{Path.GetFileName(file)}: {line.Trim()}";

        // The transfer, and the look at what has arrived. Besides: a router whose choice is solved on the host, what processes add up once an
        // optimizer step, and a trace or a gate's health that somebody asks for.
        reads.Should().BeEquivalentTo(
            "RoutingCounts.cs: using var onHost = torch.cat([kept, assigned, .. scalars.There.Select(scalar => scalar.reshape(1))]).cpu();",
            "RoutingCounts.cs: var numbers = onHost.data<long>().ToArray();",
            "BalancedAssignmentSelection.cs: using var onHost = cat([input.Logits.detach().to(ScalarType.Float64), real], 1).cpu();",
            "GateHealth.cs: using var onHost = measured.cpu();",
            "GateHealth.cs: var numbers = onHost.data<double>();",
            "BalancedAssignmentSelection.cs: var assigned = BalancedAssignment.Solve(onHost.data<double>().ToArray(), tokens, experts);",
            "ProcessSum.cs: var numbers = values.cpu().data<double>().ToArray();",
            "RoutingTrace.cs: var all = stack(parts.Select(part => part.to(ScalarType.Float64))).cpu().data<double>().ToArray();");
    }

    /// <summary>Also nonzero, unique and masks as indices: their results have sizes that the host must learn.</summary>
    [GeneratedRegex(@"\.(cpu\(|item<|data<|bytes\b|ToScalar|ToBoolean|ToInt32\(|ToInt64\(|ToSingle\(|ToDouble\(|tolist|nonzero|unique|masked_select|bincount|Equals\(|allclose|equal\()|\(CPU|DeviceType\.CPU")]
    private static partial Regex ReadsFromDevice();

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
