namespace Moe.Benchmarks.Ratios;

/// <summary>What was measured for a row.</summary>
internal sealed record RowResult(RatioCase Row, int Rounds, Quartiles Ours, Quartiles Dense, Quartiles Loop, Quartiles? Textbook)
{
    /// <summary>How ours computed the first batch.</summary>
    public required string Backend { get; init; }

    public required Floor Floor { get; init; }

    public required double ExpertsHit { get; init; }

    /// <summary>The largest difference between ours and the loop, in parts of the largest answer.</summary>
    public required double Difference { get; init; }

    public required long ManagedBytes { get; init; }

    /// <summary>Null where it cannot be measured.</summary>
    public long? Peak { get; init; }

    /// <summary>Null where it cannot be measured.</summary>
    public long? PeakDense { get; init; }

    public RatioRow ToRow() => new()
    {
        Case = Row.Layer.Name,
        Experts = Row.Layer.Experts,
        TopK = Row.Layer.TopK,
        Hidden = Row.Layer.Hidden,
        Ffn = Row.Layer.Ffn,
        Tokens = Row.Tokens,
        Dtype = Row.TypeName,
        Pass = Row.PassName,
        Backend = Backend,
        OursMs = Ours.Median,
        DenseMs = Dense.Median,
        LoopMs = Loop.Median,
        TextbookMs = Textbook?.Median,
        FloorMs = Floor.Ms,
        RatioToDense = Ours.Median / Dense.Median,
        RatioToLoop = Ours.Median / Loop.Median,
        RatioToFloor = Ours.Median / Floor.Ms,
        PeakBytes = Peak,
        PeakBytesDense = PeakDense,
        ManagedBytesPerCall = ManagedBytes,
    };
}
