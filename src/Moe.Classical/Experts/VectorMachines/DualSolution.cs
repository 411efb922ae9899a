namespace Moe.Classical;

/// <summary>What a two-class machine decides by: Σ βᵢ k(xᵢ, x) + bias, above 0 for the first class.</summary>
/// <param name="Coefficients">βᵢ, one a row.</param>
/// <param name="Bias">The bias.</param>
/// <param name="Iterations">Steps that were taken.</param>
/// <param name="Converged">False if it stopped at the most steps allowed.</param>
internal sealed record DualSolution(double[] Coefficients, double Bias, int Iterations, bool Converged);
