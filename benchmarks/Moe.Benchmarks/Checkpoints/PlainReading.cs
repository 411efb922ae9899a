using System.Runtime.InteropServices;

namespace Moe.Benchmarks.Checkpoints;

/// <summary>A file that is read from beginning to end, and nothing made of it.</summary>
internal sealed class PlainReading(string path)
{
    private const int Piece = 4 << 20;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Piece, pinned: true);

    /// <summary>Each piece over the one before: the least that reading can cost.</summary>
    public void IntoOneBuffer()
    {
        using var file = File.OpenHandle(path);
        var place = 0L;
        while (RandomAccess.Read(file, _buffer, place) is > 0 and var count)
            place += count;
    }

    /// <summary>All of it side by side, in memory that the system gives for it and takes back: what whoever keeps the bytes has to pay.</summary>
    public unsafe void IntoFreshMemory()
    {
        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        var memory = (byte*)NativeMemory.AlignedAlloc((nuint)length, 64);
        try
        {
            for (var place = 0L; place < length;)
            {
                var count = RandomAccess.Read(file, new Span<byte>(memory + place, (int)Math.Min(Piece, length - place)), place);
                if (count == 0)
                    throw new EndOfStreamException($"{path} has become shorter.");
                place += count;
            }
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }
}
