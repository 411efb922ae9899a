namespace Moe.Core;

/// <summary>
/// Thrown when a gate computes NaN or infinite logits for real tokens: routing by them would be arbitrary.
/// The layer has not changed and works on with finite input.
/// </summary>
public sealed class NonFiniteRoutingException : ArithmeticException
{
    /// <summary>Creates the exception without detail.</summary>
    public NonFiniteRoutingException()
        : base("The gate's logits must be finite.")
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What was found, and where.</param>
    public NonFiniteRoutingException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What was found, and where.</param>
    /// <param name="innerException">The cause.</param>
    public NonFiniteRoutingException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal NonFiniteRoutingException(long count, long tokens, int experts, Router gate)
        : this($"The gate's logits must be finite, but {count} of {tokens} × {experts} (tokens × experts) are NaN or infinite. Look for NaN or infinite values in the input or in the gate's weights.")
        => Gate = gate;

    /// <summary>The gate whose logits they are, so that a trainer can name the layer.</summary>
    public Router? Gate { get; }
}
