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

    /// <summary>Makes feed-forward experts (<see cref="FeedForwardExpert"/>) of weights that are there already.</summary>
    /// <inheritdoc cref="GatedFeedForward(GatedFeedForwardOptions, IReadOnlyDictionary{string, Tensor})"/>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="weights"><c>up_weight</c> [E, F, D], <c>down_weight</c> [E, Dout, F], and with biases <c>up_bias</c> [E, F], <c>down_bias</c> [E, Dout].</param>
    public static StackedExperts FeedForward(FeedForwardOptions options, IReadOnlyDictionary<string, Tensor> weights) => Given(FeedForwardExpert.MakeRecipe(options), weights);

    /// <summary>Makes gated feed-forward experts (<see cref="GatedFeedForwardExpert"/>) of weights that are there already.</summary>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="weights">
    /// <c>gate_up_weight</c> [E, 2F, D] (W_gate above W_up), <c>down_weight</c> [E, Dout, F], and with biases <c>gate_up_bias</c> [E, 2F], <c>down_bias</c> [E, Dout];
    /// all of one floating type on one device, without gradients. They become the parameters, without a copy: the stack owns them from then on.
    /// </param>
    /// <returns>The stack.</returns>
    /// <exception cref="ArgumentException">A weight is missing, too many, or not of that shape, type or device; all that is wrong is listed, and nothing has been taken over.</exception>
    public static StackedExperts GatedFeedForward(GatedFeedForwardOptions options, IReadOnlyDictionary<string, Tensor> weights) =>
        Given(GatedFeedForwardExpert.MakeRecipe(options), weights);

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

    /// <summary>A new stack of copies of slices, all of one recipe, type and device, from any stacks.</summary>
    /// <param name="slices">At least one; the same may be there several times.</param>
    /// <param name="trained">Whether a weight of the new stack learns, by its name.</param>
    internal static StackedExperts Copies(IReadOnlyList<Slice> slices, Func<string, bool> trained)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var copies = new StackedExperts(slices[0].Stack.Recipe, slices.Count, weight =>
            NewParameter.From(stack(slices.Select(slice => slice.Stack.get_parameter(weight.Name)!.select(0, slice.Index))), trained(weight.Name)));
        copies.train(slices[0].Stack.training);
        return copies;
    }

    /// <summary>A new stack of weights that are there already.</summary>
    /// <param name="recipe">What they are for.</param>
    /// <param name="count">E.</param>
    /// <param name="weight">Gives each weight, [E, *]; it is used up.</param>
    internal static StackedExperts Of(ExpertRecipe recipe, int count, Func<WeightShape, Parameter> weight) => new(recipe, count, weight);

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

    private static StackedExperts Given(ExpertRecipe recipe, IReadOnlyDictionary<string, Tensor> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        var shapes = recipe.Weights.ToDictionary(weight => weight.Name, weight => weight.Shape);
        var like = weights.TryGetValue(recipe.Weights[0].Name, out var first) ? first : throw new ArgumentException($"weights has no {recipe.Weights[0].Name}.", nameof(weights));
        var count = like.dim() > 0 ? like.size(0) : 0;
        var failures = new OptionFailures("weights").Require(count >= 1, $"{recipe.Weights[0].Name} is of shape [{string.Join(", ", like.shape)}]; it must have the experts first, at least 1.");
        foreach (var (name, shape) in shapes)
        {
            if (!weights.TryGetValue(name, out var weight))
                failures.Require(false, $"{name} is missing.");
            else
                Check(name, weight, [count, .. shape]);
        }
        foreach (var name in weights.Keys.Where(name => !shapes.ContainsKey(name)))
            failures.Require(false, $"{name} is none of {string.Join(", ", shapes.Keys)}.");
        failures.ThrowIfAny(nameof(weights));
        return new StackedExperts(recipe, (int)count, weight => NewParameter.From(weights[weight.Name]));

        void Check(string name, Tensor weight, long[] shape) => failures
            .Require(weight.shape.AsSpan().SequenceEqual(shape), $"{name} is of shape [{string.Join(", ", weight.shape)}]; it must be [{string.Join(", ", shape)}].")
            .Require(weight.is_floating_point() && weight.dtype == like.dtype, $"{name} is of type {weight.dtype}; all must be of one floating type, that of {recipe.Weights[0].Name} ({like.dtype}).")
            .Require(weight.device_type == like.device_type && weight.device_index == like.device_index, $"{name} is on {weight.device}; all must be on {like.device}.")
            .Require(!weight.requires_grad, $"{name} has gradients; weights to be taken over must have none.");
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
