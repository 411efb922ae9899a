namespace Moe.HuggingFace;

/// <summary>How far compression has moved one weight matrix.</summary>
/// <param name="Expert">The expert's index.</param>
/// <param name="Weight">Which of its matrices, as its state calls it: <c>gate_up_weight</c> or <c>down_weight</c>.</param>
/// <param name="LargestError">The largest |decoded - original|.</param>
/// <param name="LargestWeight">The largest |original|.</param>
public sealed record CompressionError(int Expert, string Weight, double LargestError, double LargestWeight);
