using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>A tensor's values as plain numbers.</summary>
internal static class HostValues
{
    /// <summary>Values in row order, exactly: Float64 holds every number of the narrower types.</summary>
    public static double[] Of(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.numel() == 0 ? [] : tensor.detach().to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
    }
}
