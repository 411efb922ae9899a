using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What a forest's trees say of rows, averaged.</summary>
/// <remarks>Rows are shared out to threads; each row's sum runs over the trees in their order, so that the answer does not depend on how.</remarks>
internal sealed unsafe class ForestVotes(TreeNodes[] trees, double smoothing, int threads)
{
    private const int Block = 64;

    // So few steps from node to node are done before a second thread has woken up.
    private const long WorthAThread = 20_000;

    public TreeNodes[] Trees => trees;

    public int Width => trees[0].Width;

    public double Smoothing => smoothing;

    /// <summary>The answers, [n, Width], to rows [n, D]: Float64 on the CPU, contiguous.</summary>
    public Tensor Of(Tensor rows)
    {
        var answers = empty(rows.size(0), Width, dtype: ScalarType.Float64, device: CPU);
        Fill(rows, HostMemory.Start<double>(answers), null, null);
        return answers;
    }

    /// <summary>The answers to rows of the fit by the trees that did not draw them; the <paramref name="fallback"/> where all did.</summary>
    public double[] OutOfBag(Tensor rows, RowSet[] bags, double[] fallback)
    {
        var answers = new double[rows.size(0) * Width];
        fixed (double* start = answers)
            Fill(rows, start, bags, fallback);
        return answers;
    }

    private void Fill(Tensor rows, double* answers, RowSet[]? bags, double[]? fallback)
    {
        var count = (int)rows.size(0);
        var (from, to, width) = ((nint)HostMemory.Start<double>(rows), (nint)answers, (int)rows.size(1));
        var blocks = (count + Block - 1) / Block;
        if (threads == 1 || (long)count * trees.Length < WorthAThread)
        {
            for (var block = 0; block < blocks; block++)
                FillBlock(block);
        }
        else
        {
            Parallel.For(0, blocks, new ParallelOptions { MaxDegreeOfParallelism = threads }, FillBlock);
        }
        GC.KeepAlive(rows);

        void FillBlock(int block)
        {
            var first = block * Block;
            var last = Math.Min(first + Block, count);
            Span<int> voters = stackalloc int[Block];
            voters.Clear();
            var sums = new Span<double>((double*)to + ((long)first * Width), (last - first) * Width);
            sums.Clear();
            for (var tree = 0; tree < trees.Length; tree++)
            {
                for (var row = first; row < last; row++)
                {
                    if (bags is not null && bags[tree].Contains(row))
                        continue;
                    voters[row - first]++;
                    var answer = trees[tree].Answer(trees[tree].LeafOf(new ReadOnlySpan<double>((double*)from + ((long)row * width), width)));
                    var sum = sums.Slice((row - first) * Width, Width);
                    for (var output = 0; output < answer.Length; output++)
                        sum[output] += answer[output];
                }
            }
            for (var row = 0; row < last - first; row++)
            {
                var sum = sums.Slice(row * Width, Width);
                if (voters[row] == 0)
                {
                    fallback.CopyTo(sum);
                    continue;
                }
                for (var output = 0; output < sum.Length; output++)
                    sum[output] = (sum[output] + (smoothing / Width)) / (voters[row] + smoothing);
            }
        }
    }
}
