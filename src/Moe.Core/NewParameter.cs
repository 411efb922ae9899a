using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes parameters that outlive the dispose scope they are made in.</summary>
internal static class NewParameter
{
    /// <summary>
    /// Uniform in ±1/√fanIn, as torch's Linear begins. Drawn where the generator lives and then moved, so that the same seed begins with
    /// the same weights on every device.
    /// </summary>
    /// <param name="shape">Of the parameter.</param>
    /// <param name="fanIn">Inputs per output.</param>
    /// <param name="generator">Draws; torch's global one when null.</param>
    /// <param name="device">Where the parameter lives.</param>
    /// <param name="dtype">Its type.</param>
    /// <param name="parts">Equal parts of the second to last dimension that are drawn one after the other.</param>
    public static Parameter Uniform(long[] shape, long fanIn, Generator? generator, Device? device, ScalarType? dtype, int parts = 1)
    {
        var bound = 1 / Math.Sqrt(fanIn);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        long[] part = [.. shape[..^2], shape[^2] / parts, shape[^1]];
        var drawn = cat([.. Enumerable.Range(0, parts).Select(_ => empty(part, dtype: dtype, device: generator?.device ?? device).uniform_(-bound, bound, generator))], -2);
        return From(generator is null ? drawn : drawn.to(device ?? get_default_device()));
    }

    /// <summary>All zero.</summary>
    public static Parameter Zeros(long[] shape, Device? device, ScalarType? dtype) => From(zeros(shape, dtype: dtype, device: device));

    /// <summary>Makes <paramref name="value"/> a parameter that no scope disposes; the tensor is used up.</summary>
    public static Parameter From(Tensor value, bool requiresGrad = true)
    {
        var parameter = new Parameter(value, requiresGrad);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
