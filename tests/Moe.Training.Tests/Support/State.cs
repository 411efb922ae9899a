using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Bits and numbers of tensors, so that they can be compared after the tensors have changed.</summary>
internal static class State
{
    /// <summary>The bits of all parameters and buffers, by name.</summary>
    public static Dictionary<string, string> Of(nn.Module module) =>
        module.state_dict().ToDictionary(item => item.Key, item => Bits(item.Value));

    /// <summary>The bits of the optimizer's state.</summary>
    public static string Of(optim.Optimizer optimizer)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        ((TorchSharp.Modules.OptimizerHelper)optimizer).save_state_dict(writer);
        writer.Flush();
        return Convert.ToHexString(stream.ToArray());
    }

    public static string Bits(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return Convert.ToHexString(tensor.detach().cpu().contiguous().clone().bytes);
    }

    public static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    public static double Number(Tensor tensor) => Numbers(tensor).Single();

    /// <summary>What an action leaves alive on this thread.</summary>
    public static long LiveAfter(Action action)
    {
        DisposeScopeManager.Statistics.Reset();
        action();
        return DisposeScopeManager.Statistics.ThreadTotalLiveCount;
    }
}
