using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>One law under one set of conditions: makes what is tried, notes what it does wrong.</summary>
/// <remarks>Runs within a dispose scope; modules and generators are released with the trial.</remarks>
internal abstract class Trial(string law) : IDisposable
{
    private readonly List<ContractViolation> _violations = [];
    private readonly List<IDisposable> _owned = [];

    /// <summary>What was seen so far.</summary>
    public IReadOnlyList<ContractViolation> Violations => _violations;

    /// <summary>The conditions of what is done at the moment.</summary>
    protected abstract string Conditions { get; }

    /// <summary>Puts the law to the test.</summary>
    public abstract void Run();

    /// <summary>Notes what was <paramref name="seen"/> unless <paramref name="holds"/>.</summary>
    public void Require(bool holds, string seen)
    {
        if (!holds)
            _violations.Add(new ContractViolation(law, Conditions, seen));
    }

    /// <summary>Notes what was done unless it is refused in the right way.</summary>
    /// <returns>The refusal; null if there was none.</returns>
    public TException? RequireRefusal<TException>(Action action, string what)
        where TException : Exception
    {
        try
        {
            action();
            Require(false, $"{what} must be refused with {typeof(TException).Name}, but was accepted");
        }
        catch (TException refusal)
        {
            return refusal;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Require(false, $"{what} must be refused with {typeof(TException).Name}, but threw {Describe(exception)}");
        }
        return null;
    }

    /// <summary>Notes the tensors that an action leaves alive.</summary>
    public void RequireNoLeak(Action action, string what)
    {
        // The first time, things are made that stay: caches, and gradients that the parameters keep.
        action();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        action();
        var left = DisposeScopeManager.Statistics.ThreadTotalLiveCount - before;
        Require(left <= 0, $"{what} leaves {left} tensor{(left == 1 ? "" : "s")} alive");
    }

    /// <summary>A generator that ends with the trial.</summary>
    public Generator Random(ulong seed) => Owned(new Generator(seed));

    /// <summary>Standard normal numbers, the same for the same seed.</summary>
    public Tensor Normal(ulong seed, ScalarType type, params long[] shape) =>
        randn(shape, dtype: ScalarType.Float64, device: CPU, generator: Random(seed)).to(type);

    /// <summary>Releases a thing with the trial.</summary>
    public T Owned<T>(T thing)
        where T : IDisposable
    {
        lock (_owned)
            _owned.Add(thing);
        return thing;
    }

    /// <summary>An exception in a few words.</summary>
    public static string Describe(Exception exception) => $"{exception.GetType().Name}: {exception.Message.Split('\n')[0].Trim()}";

    public void Dispose()
    {
        foreach (var thing in Enumerable.Reverse(_owned))
            thing.Dispose();
        _owned.Clear();
    }
}
