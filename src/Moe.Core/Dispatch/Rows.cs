using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Rows of a matrix by their places.</summary>
internal static class Rows
{
    /// <summary>The rows of <paramref name="matrix"/> [n, D] at <paramref name="places"/> [m]: [m, D].</summary>
    public static Tensor Pick(Tensor matrix, Tensor places)
    {
        // The meta device has no index_select; gather has the same shape there, and elsewhere would want an index as large as its result.
        return matrix.device_type == DeviceType.META
            ? matrix.gather(0, places.unsqueeze(-1).expand(-1, matrix.size(1)))
            : matrix.index_select(0, places);
    }

    /// <summary>Where each of 0 … n-1 stands in <paramref name="order"/>, a permutation of them.</summary>
    public static Tensor Inverse(Tensor order)
    {
        var places = arange(order.size(0), dtype: ScalarType.Int64, device: order.device);
        return empty_like(order).index_copy_(0, order, places);
    }
}
