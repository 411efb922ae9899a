using System.Text.RegularExpressions;

namespace Moe.Core.Tests;

/// <summary>What only the source can tell: how often the device is read from.</summary>
public sealed partial class SourceRulesTests
{
    [Fact]
    public void One_place_in_the_library_reads_from_the_device()
    {
        var reads =
            from file in Directory.EnumerateFiles(Source(), "*.cs", SearchOption.AllDirectories)
            where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                && !file.Contains("buildTransitive", StringComparison.Ordinal)
            from line in File.ReadLines(file)
            where !line.TrimStart().StartsWith("//", StringComparison.Ordinal) && ReadsFromDevice().IsMatch(line)
            select $"{Path.GetFileName(file)}: {line.Trim()}";

        // The transfer, and the look at what has arrived.
        reads.Should().Equal(
            "RoutingCounts.cs: using var onHost = torch.cat([kept, assigned, validTokens.reshape(1), nonFinite.reshape(1)]).cpu();",
            "RoutingCounts.cs: var numbers = onHost.data<long>().ToArray();");
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
