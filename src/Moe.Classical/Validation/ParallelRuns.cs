using System.Runtime.ExceptionServices;

namespace Moe.Classical;

/// <summary>Runs numbered pieces of work that do not depend on each other, some at once.</summary>
internal static class ParallelRuns
{
    /// <summary>Runs each; the result does not depend on how many run at once. Throws what the failing piece of the lowest number threw.</summary>
    /// <remarks>Pieces on other threads have no dispose scope of the caller's, so that each opens its own.</remarks>
    public static void Run(int count, int atOnce, Action<int> piece, CancellationToken cancellation)
    {
        if (atOnce <= 1 || count == 1)
        {
            for (var number = 0; number < count; number++)
            {
                cancellation.ThrowIfCancellationRequested();
                piece(number);
            }
            return;
        }

        var failures = new ExceptionDispatchInfo?[count];
        var failed = false;
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, number =>
        {
            // What comes before a failure still runs, so that the failure of the lowest number is always the one that is told.
            if (cancellation.IsCancellationRequested || (Volatile.Read(ref failed) && Array.FindIndex(failures, failure => failure is not null) is >= 0 and var first && first < number))
                return;
            try
            {
                piece(number);
            }
#pragma warning disable CA1031 // Whatever it is, it is thrown again below.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failures[number] = ExceptionDispatchInfo.Capture(exception);
                Volatile.Write(ref failed, true);
            }
        });
        cancellation.ThrowIfCancellationRequested();
        Array.Find(failures, failure => failure is not null)?.Throw();
    }
}
