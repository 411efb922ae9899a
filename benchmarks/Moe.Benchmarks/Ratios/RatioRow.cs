using System.Text.Json;

namespace Moe.Benchmarks.Ratios;

/// <summary>A row as it is written to the file: the names, in snake case, are a contract. Times are medians.</summary>
internal sealed record RatioRow
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public required string Case { get; init; }

    public required int Experts { get; init; }

    public required int TopK { get; init; }

    public required int Hidden { get; init; }

    public required int Ffn { get; init; }

    public required int Tokens { get; init; }

    public required string Dtype { get; init; }

    public required string Pass { get; init; }

    /// <summary>How the layer computed its experts.</summary>
    public required string Backend { get; init; }

    public required double OursMs { get; init; }

    public required double DenseMs { get; init; }

    public required double LoopMs { get; init; }

    /// <summary>Null where it was not run.</summary>
    public required double? TextbookMs { get; init; }

    public required double FloorMs { get; init; }

    public required double RatioToDense { get; init; }

    public required double RatioToLoop { get; init; }

    public required double RatioToFloor { get; init; }

    /// <summary>Null where it cannot be measured.</summary>
    public required long? PeakBytes { get; init; }

    /// <summary>Null where it cannot be measured.</summary>
    public required long? PeakBytesDense { get; init; }

    public required long ManagedBytesPerCall { get; init; }

    public static string ToJson(IEnumerable<RatioRow> rows) => JsonSerializer.Serialize(rows, Format) + "\n";
}
