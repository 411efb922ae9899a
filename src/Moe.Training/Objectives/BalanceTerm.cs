using Moe.Core;

namespace Moe.Training;

/// <summary>A balance loss that is learned from besides the task and <see cref="TrainerOptions.Balance"/>, with a λ of its own.</summary>
/// <param name="Loss">What is computed from the decisions of each forward pass.</param>
/// <param name="Lambda">λ, its weight in the objective; a plain number for a constant one. Range: 0 or more at every step. At 0 the loss is
/// computed and reported all the same, and must be finite, but nothing is learned from it: leave a term out that is not to cost anything.</param>
/// <param name="Adapt">
/// Changes λ by what the routing has come to (ReMoE, Wang et al. 2024, eq. 7): a factor on <paramref name="Lambda"/>, 1 at first, is asked for anew after each
/// step that was taken, and saved with checkpoints. Null to leave λ to its schedule.
/// </param>
public sealed record BalanceTerm(BalanceLoss Loss, Schedule Lambda, LambdaRule? Adapt = null)
{
    /// <summary>Its name in reports, columns and tags.</summary>
    /// <value>The default is that of the loss. Two losses of a kind in one training need names of their own.</value>
    public string Name { get; init; } = Loss?.Name ?? "";
}
