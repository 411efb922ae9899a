using Moe.Core;

namespace Moe.Classical;

/// <summary>An expert that can be written to a file and read back, with all it has learned.</summary>
public interface IStoredExpert : IExpert
{
    /// <summary>All it has learned, as copies that the caller owns.</summary>
    ExpertState ToState();
}
