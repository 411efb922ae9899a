using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>A matrix as torch takes it, and as the loops do: by where each row begins.</summary>
internal sealed unsafe class RowMatrix : IDisposable
{
    private readonly nint[] _rows;

    /// <summary>Draws one.</summary>
    public RowMatrix(int rows, int width)
    {
        Matrix = randn(rows, width);
        First = HostMemory.Start<float>(Matrix);
        _rows = GC.AllocateUninitializedArray<nint>(rows, pinned: true);
        for (var row = 0; row < rows; row++)
            _rows[row] = (nint)(First + (row * (nint)width));
    }

    /// <summary>[rows, width], Float32.</summary>
    public Tensor Matrix { get; }

    /// <summary>Where the first number is.</summary>
    public float* First { get; }

    /// <summary>[rows].</summary>
    public float** Rows => (float**)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_rows));

    public void Dispose() => Matrix.Dispose();
}
