using System.Buffers;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Where each routed row begins, so that rows are read where they lie instead of being gathered.</summary>
internal sealed unsafe class RowPointers : IDisposable
{
    private readonly nint[] _rows;
    private readonly MemoryHandle _pin;

    private RowPointers(Tensor matrix, FusedPlan plan, bool ofTokens)
    {
        _rows = ArrayPool<nint>.Shared.Rent((int)plan.Rows);
        _pin = _rows.AsMemory().Pin();
        var start = HostMemory.Start<float>(matrix);
        var assignments = HostMemory.Start<long>(plan.Assignments);
        var width = (nint)matrix.size(1);
        for (nint row = 0; row < plan.Rows; row++)
            _rows[row] = (nint)(start + ((ofTokens ? (nint)(assignments[row] / plan.TopK) : row) * width));
    }

    /// <summary>[M].</summary>
    public float** Start => (float**)_pin.Pointer;

    /// <summary>Into a matrix with a row for each token.</summary>
    public static RowPointers ToTokens(Tensor matrix, FusedPlan plan) => new(matrix, plan, ofTokens: true);

    /// <summary>Into a matrix with a row for each routed row.</summary>
    public static RowPointers ToRows(Tensor matrix, FusedPlan plan) => new(matrix, plan, ofTokens: false);

    public void Dispose()
    {
        _pin.Dispose();
        ArrayPool<nint>.Shared.Return(_rows);
    }
}
