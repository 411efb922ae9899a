using TorchSharp;

namespace Moe.MLNet.Tests;

/// <summary>Counts what an action leaves alive on this thread.</summary>
internal static class LiveTensors
{
    public static long After(Action action)
    {
        DisposeScopeManager.Statistics.Reset();
        action();
        return DisposeScopeManager.Statistics.ThreadTotalLiveCount;
    }
}
