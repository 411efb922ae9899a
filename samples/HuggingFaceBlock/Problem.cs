using System.Runtime.InteropServices;
using Moe.Core;

namespace HuggingFaceBlock;

/// <summary>What is said of an exception that whoever called the program can do something about.</summary>
internal static class Problem
{
    /// <summary>The message; null for an exception that is a mistake of this program.</summary>
    public static string? Of(Exception exception) => exception switch
    {
        // The name of a parameter tells a programmer something, nobody else.
        ArgumentException { ParamName: { } name } => exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal),
        IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException or NotSupportedException or InvalidOperationException or NonFiniteRoutingException or OutOfMemoryException => exception.Message,

        // Torch's own, such as where memory runs out; below the first line is where in torch that was.
        ExternalException => $"Torch says: {exception.Message.Split('\n')[0].Trim()}",
        _ => null,
    };
}
