using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>How to fit a gate to shares: settings without data. Never changed by a fit.</summary>
public interface IGateLearner
{
    /// <summary>Fits a gate whose probabilities come close to given shares: maximises Σᵢ wᵢ Σₖ rᵢₖ log gₖ(zᵢ), less a penalty.</summary>
    /// <param name="rows">z, [n, Dz]: Float64 on the CPU, contiguous, finite.</param>
    /// <param name="targets">r, [n, K]: at least 0, each row's sum 1. Float64 on the CPU, contiguous.</param>
    /// <param name="weights">w, [n], at least 0; null for 1 each.</param>
    /// <param name="previous">The gate of the fit before, to start from; null for a fresh start.</param>
    /// <param name="context">Seed and cancellation.</param>
    IGate Fit(Tensor rows, Tensor targets, Tensor? weights, IGate? previous, FitContext context);
}
