using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A built-in expert whose weights a layer stores stacked with those of its equals: one tensor of all experts instead of one each,
/// which is what makes them fast.
/// </summary>
/// <remarks>
/// On its own it is an ordinary module. A <see cref="MixtureOfExperts"/> that takes two or more with equal options copies their
/// weights into a <see cref="StackedExperts"/> and disposes them; the layer's <see cref="MixtureOfExperts.Experts"/> then shows the
/// same experts as slices of the stack.
/// </remarks>
public abstract class StackableExpert : nn.Module<Tensor, Tensor>, IExpert
{
    private protected StackableExpert(string name, ExpertRecipe recipe, Generator? generator, Device? device, ScalarType? dtype)
        : base(name)
    {
        TensorGuard.Floating(dtype, nameof(dtype));
        Recipe = recipe;
        foreach (var weight in recipe.Weights)
        {
            register_parameter(weight.Name, weight.FanIn > 0
                ? NewParameter.Uniform(weight.Shape, weight.FanIn, generator, device, dtype, weight.Parts)
                : NewParameter.Zeros(weight.Shape, device, dtype));
        }
    }

    /// <inheritdoc/>
    public long InputWidth => Recipe.InputWidth;

    /// <inheritdoc/>
    public long OutputWidth => Recipe.OutputWidth;

    internal ExpertRecipe Recipe { get; }

    internal bool IsDisposed { get; private set; }

    /// <summary>Its weights in the order of the recipe.</summary>
    internal Parameter[] RecipeWeights => [.. Recipe.Weights.Select(weight => get_parameter(weight.Name)!)];

    /// <inheritdoc cref="IExpert.forward"/>
    /// <exception cref="ArgumentException">The input is not of the stated shape, or not of the weights' type and device.</exception>
    public override Tensor forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        var weights = RecipeWeights;
        TensorGuard.SameAs(input, weights[0], nameof(input), "the expert");

        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Recipe.Compute(input, weights));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
