using TorchSharp;

namespace Moe.Classical.Tests;

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
