using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Threads on each of which torch computes alone, so that several experts are computed at once instead of one after the other by all threads.</summary>
/// <remarks>
/// A product of a few hundred rows is too small to be shared: two threads on two experts were 1.3 times as fast as two threads on each in turn, and many times where
/// a core was busy with something else. Torch keeps the number of threads for each thread apart, and for threads that are new once more: that one is put back.
/// </remarks>
internal static class TorchWorkers
{
    private static readonly BlockingCollection<HostWork> Queue = [];
    private static readonly Lock Guard = new();
    private static int _count;

    /// <summary>Lets so many threads do the work; does not wait for them.</summary>
    public static void Share(HostWork work, int threads)
    {
        if (Volatile.Read(ref _count) < threads)
            Hire(threads);
        for (var thread = 0; thread < threads; thread++)
            Queue.Add(work);
    }

    private static void Hire(int threads)
    {
        lock (Guard)
        {
            if (_count >= threads)
                return;
            var (usual, missing) = (get_num_threads(), threads - _count);
            using var ready = new CountdownEvent(missing);
            for (var thread = 0; thread < missing; thread++)
            {
                new Thread(() => Serve(ready)) { IsBackground = true, Name = nameof(TorchWorkers) }.Start();
            }
            ready.Wait();
            set_num_threads(usual);
            Volatile.Write(ref _count, threads);
        }
    }

    private static void Serve(CountdownEvent ready)
    {
        set_num_threads(1);
        ready.Signal();

        // Neither gradients nor a question whether the caller's tensors may be written to: his mode may be this one.
        using var mode = inference_mode();
        foreach (var work in Queue.GetConsumingEnumerable())
            work.Work();
    }
}
