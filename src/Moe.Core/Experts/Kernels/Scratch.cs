using System.Buffers;
using System.Runtime.InteropServices;

namespace Moe.Core;

/// <summary>Memory borrowed for the length of a task. Begins at a multiple of 64 bytes; holds whatever was there.</summary>
internal readonly unsafe ref struct Scratch
{
    private const int Line = 64;

    private readonly float[] _array;
    private readonly GCHandle _pin;

    /// <param name="size">Floats.</param>
    public Scratch(int size)
    {
        _array = ArrayPool<float>.Shared.Rent(size + (Line / sizeof(float)));
        _pin = GCHandle.Alloc(_array, GCHandleType.Pinned);
        Start = (float*)(((nuint)_pin.AddrOfPinnedObject() + Line - 1) & ~(nuint)(Line - 1));
    }

    public float* Start { get; }

    public void Dispose()
    {
        _pin.Free();
        ArrayPool<float>.Shared.Return(_array);
    }
}
