namespace Moe.Benchmarks.Ratios;

/// <summary>A mixture of E SwiGLU experts [F, D], [F, D], [D, F], of which K answer a token.</summary>
internal sealed record LayerShape(string Name, int Experts, int TopK, int Hidden, int Ffn)
{
    /// <summary>The matrices of an expert: gate, up and down projection.</summary>
    public const int Matrices = 3;

    /// <summary>The numbers in one expert.</summary>
    public long ExpertSize => (long)Matrices * Hidden * Ffn;
}
