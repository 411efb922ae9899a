namespace Moe.Classical;

/// <summary>Scores of classes that are linear functions of a row.</summary>
internal static class LinearClassScores
{
    /// <summary>b₀ + x b of each class.</summary>
    /// <param name="row">[D].</param>
    /// <param name="coefficients">[K, D + 1], the intercept first.</param>
    /// <param name="scores">[K].</param>
    public static void Of(ReadOnlySpan<double> row, double[] coefficients, Span<double> scores)
    {
        var width = row.Length + 1;
        for (var k = 0; k < scores.Length; k++)
            scores[k] = coefficients[k * width] + Products.Dot(row, coefficients.AsSpan((k * width) + 1, row.Length));
    }
}
