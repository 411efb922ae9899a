using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Adds a tensor up over processes.</summary>
internal static class ProcessSum
{
    /// <summary>The sum over all processes: the tensor itself when there is one. To be called within a dispose scope.</summary>
    /// <param name="values">[n], Float64. Not changed.</param>
    /// <param name="processes">Adds up; null for one process.</param>
    public static Tensor Of(Tensor values, IProcessSum? processes)
    {
        if (processes is null)
            return values;
        var numbers = values.cpu().data<double>().ToArray();
        processes.Sum(numbers);
        return tensor(numbers, dtype: values.dtype, device: values.device);
    }
}
