using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em;

/// <summary>Rows, and the mixture that is fitted to them from a start.</summary>
/// <param name="Data">Rows.</param>
/// <param name="Experts">How many.</param>
/// <param name="Learner">Of each expert.</param>
/// <param name="ExpertColumns">What the experts see.</param>
/// <param name="GateColumns">What the gate sees.</param>
/// <param name="Start">The first responsibilities, [n, K].</param>
internal sealed record EmProblem(FitData Data, int Experts, IExpertLearner Learner, int[] ExpertColumns, int[] GateColumns, Tensor Start)
{
    public MixtureLearner Mixture(EmOptions options) => MixtureLearner.Alike(Experts, Learner, options, gateColumns: GateColumns, columns: ExpertColumns);
}
