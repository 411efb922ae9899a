namespace Moe.Core.Tests;

/// <summary>Two threads that stand for two processes: what they sum up, both must bring at the same time.</summary>
internal sealed class TwoProcesses : IDisposable
{
    private readonly Barrier _barrier = new(2);
    private readonly double[][] _values = new double[2][];

    /// <summary>Runs the same in both.</summary>
    public Task<T[]> Run<T>(Func<Process, T> body) =>
        Task.WhenAll(Enumerable.Range(0, 2).Select(index => Task.Factory.StartNew(
            () => body(new Process(this, index)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

    public void Dispose() => _barrier.Dispose();

    internal sealed class Process(TwoProcesses all, int index) : IProcessSum
    {
        public int Index => index;

        public int ProcessCount => 2;

        public void Sum(Span<double> values)
        {
            all._values[index] = values.ToArray();
            if (!all._barrier.SignalAndWait(TimeSpan.FromSeconds(30)))
                throw new TimeoutException("The other process did not come.");
            for (var i = 0; i < values.Length; i++)
                values[i] = all._values[0][i] + all._values[1][i];
            if (!all._barrier.SignalAndWait(TimeSpan.FromSeconds(30)))
                throw new TimeoutException("The other process did not come.");
        }
    }
}
