namespace Moe.Training;

/// <summary>A number that changes over training, as a pure function of the optimizer step: nothing to save, nothing to fall out of step.</summary>
/// <remarks>Immutable and thread-safe. A plain number converts to a constant schedule.</remarks>
public sealed class Schedule
{
    private readonly Func<long, double> _value;

    /// <summary>Wraps a function of the step.</summary>
    /// <param name="value">Gives the value for a step, counted from 0; must depend on nothing else.</param>
    public Schedule(Func<long, double> value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _value = value;
    }

    /// <summary>Always the same.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator Schedule(double value) => Constant(value);

    /// <summary>Always the same.</summary>
    /// <param name="value">The value.</param>
    /// <returns>The schedule.</returns>
    public static Schedule FromDouble(double value) => Constant(value);

    /// <summary>Always the same.</summary>
    /// <param name="value">The value.</param>
    /// <returns>The schedule.</returns>
    public static Schedule Constant(double value) => new(_ => value);

    /// <summary>A straight line from <paramref name="from"/> at step 0 to <paramref name="to"/> at step <paramref name="steps"/>, constant afterwards.</summary>
    /// <param name="from">The first value.</param>
    /// <param name="to">The last value.</param>
    /// <param name="steps">How long it takes, at least 1.</param>
    /// <returns>The schedule.</returns>
    public static Schedule Linear(double from, double to, long steps) =>
        OverSteps(steps, share => from + (to - from) * share);

    /// <summary>A geometric path: each step multiplies by the same factor. It hardens a temperature or fades noise evenly in scale.</summary>
    /// <param name="from">The first value, above 0.</param>
    /// <param name="to">The last value, above 0.</param>
    /// <param name="steps">How long it takes, at least 1.</param>
    /// <returns>The schedule.</returns>
    public static Schedule Exponential(double from, double to, long steps)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(from);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(to);
        return OverSteps(steps, share => from * Math.Pow(to / from, share));
    }

    /// <summary>Half a cosine wave (Loshchilov and Hutter 2017, eq. 5, without restarts), constant afterwards.</summary>
    /// <param name="from">The first value.</param>
    /// <param name="to">The last value.</param>
    /// <param name="steps">How long it takes, at least 1.</param>
    /// <returns>The schedule.</returns>
    public static Schedule Cosine(double from, double to, long steps) =>
        OverSteps(steps, share => to + (from - to) * (1 + Math.Cos(Math.PI * share)) / 2);

    /// <summary>A staircase: multiplies by <paramref name="factor"/> every <paramref name="steps"/> steps.</summary>
    /// <param name="from">The first value.</param>
    /// <param name="factor">The factor.</param>
    /// <param name="steps">The length of a stair, at least 1.</param>
    /// <returns>The schedule.</returns>
    public static Schedule Stairs(double from, double factor, long steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return new(step => from * Math.Pow(factor, step / steps));
    }

    /// <summary>Rises in a straight line from near 0 to this schedule's first value over <paramref name="steps"/> steps, then runs this schedule from its start.</summary>
    /// <param name="steps">The length of the warm-up; 0 for none.</param>
    /// <returns>The schedule.</returns>
    public Schedule WarmUp(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        return new(step => step < steps ? _value(0) * (step + 1) / (steps + 1) : _value(step - steps));
    }

    /// <summary>The value for a step.</summary>
    /// <param name="step">Optimizer steps done before, 0 or more.</param>
    /// <returns>The value.</returns>
    public double At(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        return _value(step);
    }

    /// <summary>The value for a step, where it must not be negative.</summary>
    /// <exception cref="InvalidOperationException">It is, or it is NaN or infinite; the message names step and setting.</exception>
    internal double AtLeastZero(long step, string name) => At(step) is var value && value >= 0 && double.IsFinite(value)
        ? value
        : throw new InvalidOperationException($"Step {step}: {name} ({value}) must be 0 or more, and finite.");

    private static Schedule OverSteps(long steps, Func<double, double> value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return new(step => value(Math.Min(step, steps) / (double)steps));
    }
}
