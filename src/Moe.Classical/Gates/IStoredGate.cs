namespace Moe.Classical;

/// <summary>A gate that can be written to a file and read back.</summary>
public interface IStoredGate : IGate
{
    /// <summary>All it has learned, as copies that the caller owns; <see cref="StoredGates"/> reads it.</summary>
    ExpertState ToState();
}
