namespace Moe.Classical;

/// <summary>What EM works on: experts and a gate that can be fitted to shares of the rows, and say what shares they would take. Of one start, on one thread.</summary>
internal abstract class EmModel
{
    /// <summary>What a row counts that no expert makes possible, in place of -∞.</summary>
    protected const double UnlikelyLog = -700;

    /// <summary>K, which falls when an expert is dropped.</summary>
    public abstract int Experts { get; }

    /// <summary>True if the M-step is exact, so that the objective cannot fall.</summary>
    public abstract bool IsExact { get; }

    /// <summary>The least gain, relative, that means something.</summary>
    public virtual double LeastGain => 0;

    /// <summary>What the objective has less than the log-likelihood.</summary>
    public abstract double Penalty { get; }

    /// <summary>Experts whose noise is at its floor.</summary>
    public abstract int FloorHits { get; }

    /// <summary>Rows that no expert made possible in the last E-step.</summary>
    public int UnlikelyRows { get; protected set; }

    /// <summary>M-step.</summary>
    /// <param name="shares">r, [n, K].</param>
    /// <param name="iteration">From 1.</param>
    /// <param name="cancellation">Cancels.</param>
    /// <returns>The expert that could not be fitted, if there is one; null if all went well.</returns>
    public abstract Starvation? Maximise(double[] shares, int iteration, CancellationToken cancellation);

    /// <summary>E-step.</summary>
    /// <param name="shares">[n, K], to be written.</param>
    /// <returns>The log-likelihood.</returns>
    public abstract double Expect(double[] shares);

    /// <summary>Removes an expert; the shares that come next have one column less.</summary>
    public abstract void Drop(int expert);

    /// <summary>What <see cref="Restore"/> brings back.</summary>
    public abstract object Snapshot();

    /// <summary>Brings an earlier state back.</summary>
    public abstract void Restore(object snapshot);
}
