namespace Moe.Classical;

/// <summary>A fitted tree as flat arrays.</summary>
/// <param name="width">Numbers in a leaf.</param>
/// <param name="column">Of each node, the column that it splits; -1 for leaves.</param>
/// <param name="threshold">Of each node; values up to it go left.</param>
/// <param name="child">Of a split, its left child, with the right one next to it; of a leaf, which leaf it is. Children have higher numbers than their parents.</param>
/// <param name="values">[leaves, width].</param>
/// <param name="weights">[leaves], the weight of the fit's rows.</param>
internal sealed class TreeNodes(int width, int[] column, double[] threshold, int[] child, double[] values, double[] weights)
{
    public int Width => width;

    public int Nodes => column.Length;

    public int Leaves => weights.Length;

    public int[] Column => column;

    public double[] Threshold => threshold;

    public int[] Child => child;

    public double[] Values => values;

    public double[] Weights => weights;

    /// <summary>Splits on the way to the deepest leaf.</summary>
    public int Depth()
    {
        var depth = new int[column.Length];
        var deepest = 0;
        for (var node = 0; node < column.Length; node++)
        {
            deepest = Math.Max(deepest, depth[node]);
            if (column[node] >= 0)
                depth[child[node]] = depth[child[node] + 1] = depth[node] + 1;
        }
        return deepest;
    }

    /// <summary>The leaf that a row falls into.</summary>
    public int LeafOf(ReadOnlySpan<double> row)
    {
        var node = 0;
        while (column[node] >= 0)
            node = row[column[node]] <= threshold[node] ? child[node] : child[node] + 1;
        return child[node];
    }

    /// <summary>What a leaf answers.</summary>
    public ReadOnlySpan<double> Answer(int leaf) => values.AsSpan(leaf * width, width);

    /// <summary>Refuses arrays that do not make a tree, such as those of a damaged file.</summary>
    public void Check(long inputWidth)
    {
        var holds = column.Length >= 1 && threshold.Length == column.Length && child.Length == column.Length && values.Length == weights.Length * width;
        for (var node = 0; holds && node < column.Length; node++)
        {
            holds = column[node] < 0
                ? child[node] >= 0 && child[node] < weights.Length
                : column[node] < inputWidth && child[node] > node && child[node] < column.Length - 1 && !double.IsNaN(threshold[node]);
        }
        if (!holds)
            throw new ArgumentException("The state of a tree is damaged: its nodes do not make a tree.");
    }
}
