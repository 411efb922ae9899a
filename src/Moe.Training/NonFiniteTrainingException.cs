namespace Moe.Training;

/// <summary>Thrown when a loss or a gradient is NaN or infinite. The model is as it was after the step before.</summary>
public sealed class NonFiniteTrainingException : ArithmeticException
{
    /// <summary>Creates the exception without detail.</summary>
    public NonFiniteTrainingException()
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What was found, and where.</param>
    public NonFiniteTrainingException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What was found, and where.</param>
    /// <param name="innerException">The cause.</param>
    public NonFiniteTrainingException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal NonFiniteTrainingException(long step, string place)
        : this($"Step {step}: {place} is NaN or infinite. The parameters are those of the step before.")
    {
        Step = step;
        Place = place;
    }

    /// <summary>The step that was not taken, counted from 0.</summary>
    public long Step { get; }

    /// <summary>What is not finite: a loss, a layer's balance, a gate's logits, or a parameter's gradient, by name.</summary>
    public string Place { get; } = "";
}
