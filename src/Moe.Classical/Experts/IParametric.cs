using Moe.Core;

namespace Moe.Classical;

/// <summary>An expert whose number of free parameters is known, so that AIC and BIC are.</summary>
public interface IParametric : IExpert
{
    /// <summary>Free parameters of its predictions, the noise not included. A whole number except for smoothers, which give the trace of their matrix.</summary>
    double DegreesOfFreedom { get; }
}
