using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The one door to what TorchSharp does not bind: loops over many small operations without a .NET object each, and operations that write into given memory.</summary>
/// <remarks>
/// A name that torch does not know ends the process, when the text is compiled or called: the texts are constants, and tests call each function. Compiled once, since a compilation is never freed.
/// </remarks>
internal static class TorchScript
{
    private static readonly Lazy<jit.CompilationUnit> Compiled = new(() => jit.compile(TorchExperts.Script + GroupedProducts.Script));

    /// <summary>Calls a function of one of the texts.</summary>
    /// <param name="function">Its name.</param>
    /// <param name="arguments">Tensors, numbers, null.</param>
    /// <returns>What it returns; in the caller's dispose scope.</returns>
    public static Tensor Call(string function, params object?[] arguments) => (Tensor)Compiled.Value.invoke(function, arguments!);
}
