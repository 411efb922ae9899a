namespace Moe.HuggingFace;

/// <summary>One line of a family's table of weights: what a tensor is called, what it is, and how it lies.</summary>
/// <param name="Name">
/// After the block's beginning (<see cref="ModelFamily.Blocks"/>), such as <c>mlp.experts.{expert}.down_proj.weight</c>. With <c>{expert}</c> there is one tensor an expert.
/// </param>
/// <param name="Role">What it is.</param>
/// <param name="Form">How it lies.</param>
public sealed record WeightPlace(string Name, WeightRole Role, WeightForm Form = WeightForm.None)
{
    /// <summary>What stands for an expert's number in a name.</summary>
    public const string Expert = "{expert}";

    /// <summary>Whether there is one tensor an expert.</summary>
    public bool IsPerExpert => Name.Contains(Expert, StringComparison.Ordinal);
}
