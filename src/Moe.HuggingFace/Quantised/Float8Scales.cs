namespace Moe.HuggingFace;

/// <summary>
/// The scales of a tensor of 8-bit floats as a tensor of their own, made of the same pieces at a 128th of their size: whatever way the numbers go into another layout, the scales go too.
/// </summary>
internal static class Float8Scales
{
    private const int Size = BlockScaledFloat8.BlockSize;

    private const string MustFit = " The rows must be a multiple of 128.";

    /// <summary>The tensor of the scales. Its parameter is one beside that of the numbers.</summary>
    /// <exception cref="NotSupportedException">A square lies across what another layout has apart.</exception>
    public static PublishedTensor Of(PublishedTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[^2], tensor.Shape[^1]);
        return new(tensor.ScaleName, tensor.ScaleShape, tensor.Role, IsMxfp4: false, [.. tensor.Pieces.Select(Scales)]);

        WeightPiece Scales(WeightPiece piece)
        {
            var (matrix, row) = Math.DivRem(piece.First / columns, rows);
            if (piece.Form.HasFlag(WeightForm.Interleaved))
                throw Spans("gate and up take turns in it", "");
            if (row % Size != 0)
                throw Spans($"experts of {piece.Shape[0]} rows lie one below the other in it", MustFit);
            if (piece.FirstRow % Size != 0)
                throw Spans($"{piece.FirstRow} rows of gate lie above its own where both are one tensor", MustFit);
            var first = ((matrix * Float8Blocks.Squares(rows)) + (row / Size)) * Float8Blocks.Squares(columns);
            return piece with
            {
                First = first,
                Shape = Float8Blocks.ScaleShape(piece.Shape),
                Parameter = Float8Blocks.ScaleName(piece.Parameter),
                FirstRow = piece.FirstRow / Size,
                Rows = Float8Blocks.Squares(piece.Rows),
            };
        }

        NotSupportedException Spans(string fact, string rule) => new(
            $"{tensor.Name} is quantised with one scale for each square of 128 by 128, and {fact}: a square would span both.{rule} {nameof(Checkpoint)}.{nameof(Checkpoint.Decode)} writes BFloat16 instead.");
    }
}
