namespace Moe.Core;

/// <summary>An expert of one's own that can be copied, so that a layer with it can be operated on (<see cref="ExpertAddition"/>, <see cref="ExpertRemoval"/>, <see cref="ExpertMerging"/>, <see cref="ExpertFreezing"/>).</summary>
/// <remarks>The built-in experts can be copied without it, <see cref="ModuleExpert"/> apart: torch has no way to copy a module that it does not know.</remarks>
public interface ICopyableExpert : IExpert
{
    /// <summary>Makes a copy. Called without gradients and within a dispose scope, out of which parameters and buffers of the copy must be detached (torch's own layers see to that).</summary>
    /// <returns>An expert of the same type and widths with the same state in tensors of its own.</returns>
    IExpert Copy();
}
