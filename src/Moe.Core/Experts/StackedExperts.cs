using System.Collections;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Several experts of one shape, with the weights of all in one tensor each: <c>up_weight</c> is [E, F, D] instead of E times [F, D].
/// </summary>
/// <remarks>
/// As a list it shows its experts one by one, so that it can be given to a layer alone or beside others:
/// <c>new MixtureOfExperts(gate, [.. StackedExperts.FeedForward(6, options), new MyRule(), new MyNetwork()])</c>. A layer takes all of
/// a stack or nothing of it, and owns it from then on. The parameters' names are those of the single expert.
/// </remarks>
public sealed class StackedExperts : nn.Module, IReadOnlyList<IExpert>
{
    private readonly Slice[] _slices;
    private readonly string[] _weightNames;

    private StackedExperts(ExpertRecipe recipe, int count, Func<WeightShape, Parameter> makeWeight)
        : base(nameof(StackedExperts))
    {
        Recipe = recipe;
        _slices = [.. Enumerable.Range(0, count).Select(index => new Slice(this, index))];
        _weightNames = [.. recipe.Weights.Select(weight => weight.Name)];
        foreach (var weight in recipe.Weights)
            register_parameter(weight.Name, makeWeight(weight));
    }

    /// <summary>The number of experts.</summary>
    public int Count => _slices.Length;

    internal ExpertRecipe Recipe { get; }

    internal bool IsDisposed { get; private set; }

    /// <summary>Expert <paramref name="index"/> as a view: it computes with the stack's current weights.</summary>
    public IExpert this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return _slices[index];
        }
    }

    /// <summary>Builds <paramref name="count"/> linear experts (<see cref="LinearExpert"/>) with fresh weights.</summary>
    /// <param name="count">E, at least 1.</param>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1.</param>
    /// <param name="bias">Whether they have biases.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <returns>The stack.</returns>
    public static StackedExperts Linear(
        int count, long inputWidth, long outputWidth, bool bias = true,
        Generator? generator = null, Device? device = null, ScalarType? dtype = null) =>
        Fresh(count, LinearExpert.MakeRecipe(inputWidth, outputWidth, bias), generator, device, dtype);

    /// <summary>Builds <paramref name="count"/> feed-forward experts (<see cref="FeedForwardExpert"/>) with fresh weights.</summary>
    /// <param name="count">E, at least 1.</param>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <returns>The stack.</returns>
    public static StackedExperts FeedForward(
        int count, FeedForwardOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null) =>
        Fresh(count, FeedForwardExpert.MakeRecipe(options), generator, device, dtype);

    /// <summary>Builds <paramref name="count"/> gated feed-forward experts (<see cref="GatedFeedForwardExpert"/>) with fresh weights.</summary>
    /// <param name="count">E, at least 1.</param>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <returns>The stack.</returns>
    public static StackedExperts GatedFeedForward(
        int count, GatedFeedForwardOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null) =>
        Fresh(count, GatedFeedForwardExpert.MakeRecipe(options), generator, device, dtype);

    /// <inheritdoc/>
    public IEnumerator<IExpert> GetEnumerator() => _slices.AsEnumerable<IExpert>().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    /// <summary>Copies the weights of experts with equal recipes into one stack; they are not needed afterwards.</summary>
    internal static StackedExperts Of(IReadOnlyList<StackableExpert> experts)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var stack = new StackedExperts(experts[0].Recipe, experts.Count, weight =>
        {
            var parts = experts.Select(expert => expert.get_parameter(weight.Name)!).ToArray();
            return NewParameter.From(torch.stack(parts), parts[0].requires_grad);
        });
        stack.train(experts[0].training);
        return stack;
    }

    /// <summary>
    /// The weights of every expert, [expert][weight], as views. One unbind a weight: its backward writes each gradient once, where
    /// E selects would write E times the whole.
    /// </summary>
    internal Tensor[][] Slices()
    {
        var byWeight = _weightNames.Select(name => get_parameter(name)!.unbind(0)).ToArray();
        return [.. Enumerable.Range(0, Count).Select(expert => byWeight.Select(weight => weight[expert]).ToArray())];
    }

    /// <summary>The first weight, which tells type and device of all.</summary>
    internal Parameter FirstWeight => Weight(0);

    /// <summary>A weight of all experts, [E, *], by its place in the recipe.</summary>
    internal Parameter Weight(int place) => get_parameter(_weightNames[place])!;

    private static StackedExperts Fresh(int count, ExpertRecipe recipe, Generator? generator, Device? device, ScalarType? dtype)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        TensorGuard.Floating(dtype, nameof(dtype));
        return new StackedExperts(recipe, count, weight => weight.FanIn > 0
            ? NewParameter.Uniform([count, .. weight.Shape], weight.FanIn, generator, device, dtype, weight.Parts)
            : NewParameter.Zeros([count, .. weight.Shape], device, dtype));
    }

    /// <summary>One expert of a stack.</summary>
    internal sealed class Slice(StackedExperts stack, int index) : IExpert
    {
        public StackedExperts Stack { get; } = stack;

        public int Index { get; } = index;

        public long InputWidth => Stack.Recipe.InputWidth;

        public long OutputWidth => Stack.Recipe.OutputWidth;

        public Tensor forward(Tensor input)
        {
            ObjectDisposedException.ThrowIf(Stack.IsDisposed, Stack);
            TensorGuard.Matrix(input, InputWidth, nameof(input));
            TensorGuard.SameAs(input, Stack.FirstWeight, nameof(input), "the stack of experts");
            using var scope = NewDisposeScope();
            return scope.MoveToOuter(Stack.Recipe.Compute(input, [.. Stack._weightNames.Select(name => Stack.get_parameter(name)!.select(0, Index))]));
        }
    }
}
