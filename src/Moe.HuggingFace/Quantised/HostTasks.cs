using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Work of the host in tasks that do without torch, shared among as many threads as torch uses.</summary>
internal static class HostTasks
{
    /// <summary>Does tasks 0 … count - 1, in any order.</summary>
    public static void Run(long count, Action<long> task)
    {
        if (count == 1)
            task(0);
        else
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() }, task);
    }
}
