using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>
/// Products of many rows, six at a time with all that fits into the registers (<see cref="PanelTile"/>). What they are multiplied with goes by in panels: read where it lies, or laid out as columns
/// first, once for all rows (Goto and van de Geijn 2008, section 4). The rows themselves are read where they lie.
/// </summary>
/// <remarks>
/// Each entry is summed in one order, whatever the panels and tiles: the bits depend neither on the count of rows nor on how ranges are split.
/// </remarks>
internal static unsafe class PanelProducts
{
    /// <summary>Rows of a gradient that are made at a time. A multiple of a tile's.</summary>
    public const int Block = 96;

    /// <summary>Length of the part of a sum that is taken at a time where panels are copies, which then stay in the second cache.</summary>
    private const int Depth = 1024;

    /// <summary>The same for panels that are read where they lie.</summary>
    private const int DepthInPlace = 128;

    /// <summary>The same where rows are copied too.</summary>
    private const int GradientDepth = 256;

    /// <summary>Rows whose columns are copied at a time.</summary>
    private const int TurnedRows = 4096;

    /// <inheritdoc cref="DotProducts.Multiply"/>
    public static void WithTransposed(float** rows, int count, float* weight, int width, int from, int to, float* output, nint outputStride)
    {
        using var panel = new Scratch(PanelTile.Columns * Math.Min(width, Depth));
        var weightRows = stackalloc float*[PanelTile.MostColumns];
        for (var d = 0; d == 0 || d < width; d += Depth)
        {
            var depth = Math.Min(Depth, width - d);
            for (var r = from; r < to; r += PanelTile.Columns)
            {
                var columns = Math.Min(PanelTile.Columns, to - r);
                for (var row = 0; row < columns; row++)
                    weightRows[row] = weight + ((nint)(r + row) * width);
                Turn(weightRows, d, columns, depth, panel.Start, PanelTile.Columns);
                Sweep(rows, d, count, new(panel.Start, PanelTile.Columns, panel.Start), depth, columns, output + r, outputStride, adds: d > 0, streams: false);
            }
        }
    }

    /// <inheritdoc cref="WeightedSums.Multiply"/>
    /// <remarks>A few weight rows at a time, of which the memory is asked for the next ones.</remarks>
    public static void With(float** a, int count, float* weight, int height, int width, int from, int to, float* output, nint outputStride)
    {
        using var edge = new Scratch(PanelTile.Columns * DepthInPlace);
        for (var d = 0; d == 0 || d < height; d += DepthInPlace)
        {
            var depth = Math.Min(DepthInPlace, height - d);
            for (var j = from; j < to; j += PanelTile.Columns)
            {
                var columns = Math.Min(PanelTile.Columns, to - j);
                var start = weight + ((nint)d * width) + j;
                var panel = new PanelTile.Panel(start, width, start + (DepthInPlace * (nint)width));
                if (columns < PanelTile.Columns)
                {
                    Copy(start, width, edge.Start, PanelTile.Columns, depth, columns);
                    panel = new(edge.Start, PanelTile.Columns, edge.Start);
                }
                Sweep(a, d, count, panel, depth, columns, output + j, outputStride, adds: d > 0, streams: false);
            }
        }
    }

    /// <inheritdoc cref="OuterProducts.Sum"/>
    public static void Gradient(float** a, float** rows, int count, int width, int from, int to, float* gradient)
    {
        var streams = count <= GradientDepth && (nuint)gradient % 64 == 0 && width % PanelTile.Columns == 0;
        using var panel = new Scratch(PanelTile.Columns * Math.Min(count, GradientDepth));
        using var turned = new Scratch(Block * Math.Min(count, TurnedRows));
        for (var r = from; r < to; r += Block)
        {
            // However many rows there are, only so many are copied at a time.
            for (var first = 0; first == 0 || first < count; first += TurnedRows)
            {
                var some = Math.Min(TurnedRows, count - first);
                Turn(a + first, r, some, Math.Min(Block, to - r), turned.Start, some);
                GradientOf(turned.Start, rows + first, some, width, Math.Min(Block, to - r), panel.Start, gradient + ((nint)r * width), adds: first > 0, streams);
            }
        }
        if (streams)
            Fence();
    }

    /// <summary>gradient[r, j] = Σ_i turned[r, i] · rows[i][j] for r in [0, height), added to what is there if adds.</summary>
    private static void GradientOf(float* turned, float** rows, int count, int width, int height, float* panel, float* gradient, bool adds, bool streams)
    {
        var columnsOfA = stackalloc float*[Block];
        for (var r = 0; r < height; r++)
            columnsOfA[r] = turned + ((nint)r * count);
        for (var j = 0; j < width; j += PanelTile.Columns)
        {
            var columns = Math.Min(PanelTile.Columns, width - j);
            for (var d = 0; d == 0 || d < count; d += GradientDepth)
            {
                var depth = Math.Min(GradientDepth, count - d);
                for (var i = 0; i < depth; i++)
                    new Span<float>(rows[d + i] + j, columns).CopyTo(new(panel + (i * PanelTile.Columns), columns));
                Sweep(columnsOfA, d, height, new(panel, PanelTile.Columns, panel), depth, columns, gradient + j, width, adds || d > 0, streams);
            }
        }
    }

    /// <summary>All rows times a panel; where less is left than a tile takes, with a tile beside the output. Only the first rows have to ask for what comes later.</summary>
    private static void Sweep(float** rows, nint offset, int count, PanelTile.Panel panel, int depth, int columns, float* output, nint stride, bool adds, bool streams)
    {
        float* edge = stackalloc float[PanelTile.Rows * PanelTile.MostColumns];
        var few = stackalloc float*[PanelTile.Rows];
        for (var i = 0; i < count; i += PanelTile.Rows)
        {
            var height = Math.Min(PanelTile.Rows, count - i);
            var target = output + (i * stride);
            if (height == PanelTile.Rows && columns == PanelTile.Columns)
            {
                PanelTile.Multiply(rows + i, offset, panel, depth, target, stride, adds, streams);
            }
            else
            {
                for (var row = 0; row < PanelTile.Rows; row++)
                    few[row] = rows[i + Math.Min(row, height - 1)];
                if (adds)
                    Copy(target, stride, edge, PanelTile.Columns, height, columns);
                PanelTile.Multiply(few, offset, panel, depth, edge, PanelTile.Columns, adds, streams: false);
                Copy(edge, PanelTile.Columns, target, stride, height, columns);
            }
            panel = new(panel.Start, panel.Stride, panel.Start);
        }
    }

    private static void Copy(float* source, nint sourceStride, float* target, nint targetStride, int height, int width)
    {
        for (nint row = 0; row < height; row++)
            new Span<float>(source + (row * sourceStride), width).CopyTo(new(target + (row * targetStride), width));
    }

    /// <summary>Makes columns of rows: target[d · stride + i] = rows[i][offset + d] for d in [0, length). Four rows at a time, and those that are left alone.</summary>
    private static void Turn(float** rows, nint offset, int count, int length, float* target, nint stride)
    {
        var i = 0;
        for (; i + 4 <= count; i += 4)
            Transpose(rows[i] + offset, rows[i + 1] + offset, rows[i + 2] + offset, rows[i + 3] + offset, length, target + i, stride);
        for (; i < count; i++)
        {
            for (nint d = 0; d < length; d++)
                target[(d * stride) + i] = rows[i][offset + d];
        }
    }
}
