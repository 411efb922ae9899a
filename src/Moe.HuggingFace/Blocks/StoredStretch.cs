using System.Runtime.ExceptionServices;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Bytes of a stored tensor that lie in a parameter as they do in the file, and so go straight into its memory: nothing is held twice.</summary>
/// <param name="Name">The stored tensor.</param>
/// <param name="FirstByte">Counted from its first.</param>
/// <param name="Target">Where they go. Whoever holds the stretch must hold the parameter too.</param>
/// <param name="Length">How many.</param>
internal readonly record struct StoredStretch(string Name, long FirstByte, nint Target, int Length)
{
    private const int Longest = 1 << 21;

    /// <summary>A piece, in stretches that threads can share among each other.</summary>
    public static unsafe IEnumerable<StoredStretch> Of(PublishedTensor tensor, WeightPiece piece, Tensor parameter)
    {
        using var scope = NewDisposeScope();
        var part = piece.Of(parameter);
        var (size, target) = (parameter.element_size(), (nint)HostMemory.Start<byte>(part));
        var (first, total) = (piece.First * size, piece.Count * size);
        var stretches = new List<StoredStretch>();
        for (var start = 0L; start < total; start += Longest)
            stretches.Add(new StoredStretch(tensor.Name, first + start, target + (nint)start, (int)Math.Min(Longest, total - start)));
        return stretches;
    }

    /// <summary>Reads on as many threads as torch uses.</summary>
    /// <remarks>Not for the sake of the file: a system gives memory page by page to whoever writes to it first, which takes longer than the reading does.</remarks>
    public static void ReadAll(ITensorStore store, IReadOnlyList<StoredStretch> stretches, CancellationToken cancellationToken)
    {
        try
        {
            Parallel.For(0, stretches.Count, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads(), CancellationToken = cancellationToken }, index => stretches[index].Read(store));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    private unsafe void Read(ITensorStore store) => store.Read(Name, FirstByte, new Span<byte>((byte*)Target, Length));
}
