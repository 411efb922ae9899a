using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Work in many small tasks, shared among as many threads as torch uses; whoever asks for it waits until all is done.</summary>
/// <remarks>
/// Not OpenMP: its threads wait for each other after every operation, which costs more than small operations do, and far more where a core is
/// taken away for a while. Here they meet once. An instance does its work once: a thread that comes late must find nothing to do, rather than other work.
/// </remarks>
internal abstract class HostWork : IThreadPoolWorkItem
{
    private readonly object _guard = new();

    private int _tasks;
    private int _next;
    private int _open;
    private Exception? _failure;

    /// <summary>Does tasks 0 … count - 1, in any order, on this thread and others. For tasks that do without torch.</summary>
    public void Run(int count)
    {
        (_tasks, _open) = (count, count);
        for (var helper = Math.Min(get_num_threads(), count) - 1; helper > 0; helper--)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        Work();
        Wait();
    }

    /// <summary>Does tasks 0 … count - 1, begun in this order, each by torch with a single thread. With one thread, or one task, by torch as the caller has it.</summary>
    public void RunByTorch(int count)
    {
        (_tasks, _open) = (count, count);
        if (Math.Min(get_num_threads(), count) is > 1 and var threads)
            TorchWorkers.Share(this, threads);
        else
            Work();
        Wait();
    }

    void IThreadPoolWorkItem.Execute() => Work();

    /// <summary>Does tasks until there are none.</summary>
    internal void Work()
    {
        for (var task = Interlocked.Increment(ref _next) - 1; task < _tasks; task = Interlocked.Increment(ref _next) - 1)
        {
            try
            {
                Do(task);
            }
#pragma warning disable CA1031 // Every thread must go on, or the others would wait for it for ever; the caller hears of the first failure.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }
            if (Interlocked.Decrement(ref _open) == 0)
            {
                lock (_guard)
                    Monitor.PulseAll(_guard);
            }
        }
    }

    /// <summary>Does one task.</summary>
    protected abstract void Do(int task);

    private void Wait()
    {
        // Not by spinning for long: that would take a core from those who work.
        for (var wait = default(SpinWait); Volatile.Read(ref _open) > 0 && !wait.NextSpinWillYield;)
            wait.SpinOnce();
        lock (_guard)
        {
            while (Volatile.Read(ref _open) > 0)
                Monitor.Wait(_guard);
        }
        if (_failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
    }
}
