using Moe.Core;

namespace Moe.Classical;

/// <summary>An expert that asks others.</summary>
public interface ICompositeExpert : IExpert
{
    /// <summary>How many experts that are not composite themselves are asked for one row, on average.</summary>
    double EvaluationsPerPrediction { get; }
}
