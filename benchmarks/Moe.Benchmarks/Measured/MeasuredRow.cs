using System.Text.Json;

namespace Moe.Benchmarks.Measured;

/// <summary>One number as it is written to the file: the names, in snake case, are a contract.</summary>
internal sealed record MeasuredRow
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public required string Case { get; init; }

    /// <summary>What was measured.</summary>
    public required string What { get; init; }

    /// <summary>The median.</summary>
    public required double Value { get; init; }

    /// <summary>The lower quartile.</summary>
    public required double Low { get; init; }

    /// <summary>The upper quartile.</summary>
    public required double High { get; init; }

    public required string Unit { get; init; }

    /// <summary>What it is compared with, measured in the same run; null for nothing.</summary>
    public string? Against { get; init; }

    /// <summary>The median of that, in the same unit.</summary>
    public double? AgainstValue { get; init; }

    /// <summary>The one over the other.</summary>
    public double? Ratio => Value / AgainstValue;

    /// <summary>The most that the value should be; null for no promise.</summary>
    public double? Target { get; init; }

    public static string ToJson(IEnumerable<MeasuredRow> rows) => JsonSerializer.Serialize(rows, Format) + "\n";
}
