using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Copies of experts, with tensors of their own. Experts that are no modules have none, and are shared.</summary>
internal static class ExpertCopies
{
    /// <summary>Notes which experts cannot be copied.</summary>
    public static void Check(OptionFailures failures, string kind, IReadOnlyList<IExpert> experts)
    {
        foreach (var (expert, index) in experts.Select((expert, index) => (expert, index)))
            failures.Require(CanCopy(expert), $"{kind} {index} ({expert.GetType().Name}) cannot be copied: a module that is not built in must be an {nameof(ICopyableExpert)}.");
    }

    /// <summary>A new list of experts.</summary>
    /// <param name="experts">The old ones.</param>
    /// <param name="sources">For each new expert, the old one that it is a copy of.</param>
    /// <param name="trained">Whether the new expert of an index learns; null for as the old one does.</param>
    /// <remarks>Neighbours that can be stored stacked are, wherever they were stored before.</remarks>
    public static IExpert[] Of(IReadOnlyList<IExpert> experts, IReadOnlyList<int> sources, Func<int, bool?>? trained = null)
    {
        using var noGrad = no_grad();
        var copies = new IExpert[sources.Count];
        for (var index = 0; index < copies.Length;)
        {
            if (experts[sources[index]] is not StackedExperts.Slice slice)
            {
                copies[index] = Single(experts[sources[index]], trained?.Invoke(index));
                index++;
                continue;
            }
            var key = Key(slice, trained?.Invoke(index));
            var run = new List<StackedExperts.Slice>();
            while (index + run.Count < copies.Length && experts[sources[index + run.Count]] is StackedExperts.Slice next && Equals(Key(next, trained?.Invoke(index + run.Count)), key))
                run.Add(next);
            var learns = trained?.Invoke(index);
            foreach (var copy in StackedExperts.Copies(run, name => learns ?? slice.Stack.get_parameter(name)!.requires_grad))
                copies[index++] = copy;
        }
        return copies;
    }

    /// <summary>A copy of a layer, which is an expert of another one.</summary>
    private static MixtureOfExperts Layer(MixtureOfExperts layer) => Trains(layer, new MixtureOfExperts(GateCopy.Whole(layer.Gate), All(layer.Experts), All(layer.SharedExperts)));

    public static IExpert[] All(IReadOnlyList<IExpert> experts) => Of(experts, [.. Enumerable.Range(0, experts.Count)]);

    private static bool CanCopy(IExpert expert) => expert switch
    {
        ICopyableExpert or StackedExperts.Slice or StackableExpert or ConstantExpert or IdentityExpert => true,
        SelfGatedExpert gated => gated.Expert is IExpert inner && CanCopy(inner),
        MixtureOfExperts layer => GateCopy.CanCopy(layer.Gate) && layer.Experts.All(CanCopy) && layer.SharedExperts.All(CanCopy),
        _ => expert is not nn.Module,
    };

    private static IExpert Single(IExpert expert, bool? trained)
    {
        var copy = expert switch
        {
            ICopyableExpert own => Made(own),
            StackableExpert single => State(single, Like(single)),
            ConstantExpert constant => new ConstantExpert(constant.InputWidth, constant.Value, constant.Value.requires_grad),
            IdentityExpert identity => new IdentityExpert(identity.InputWidth),
            SelfGatedExpert gated => Gated(gated),
            MixtureOfExperts layer => Layer(layer),
            _ => expert,
        };
        if (copy is not nn.Module module)
            return copy;
        if (expert is nn.Module original)
            Trains(original, module);
        if (trained is { } learns)
        {
            foreach (var parameter in module.parameters())
                parameter.requires_grad = learns;
        }
        return copy;
    }

    private static IExpert Made(ICopyableExpert own)
    {
        var copy = own.Copy();
        if (copy is null || ReferenceEquals(copy, own) || copy.InputWidth != own.InputWidth || copy.OutputWidth != own.OutputWidth)
            throw new InvalidOperationException($"{own.GetType().Name}.{nameof(ICopyableExpert.Copy)} must give another expert of the same widths.");
        return copy;
    }

    private static StackableExpert Like(StackableExpert single)
    {
        var weight = single.RecipeWeights[0];
        using var unused = new Generator(0);
        return single.Recipe switch
        {
            LinearRecipe recipe => new LinearExpert(recipe.InputWidth, recipe.OutputWidth, recipe.Bias, unused, weight.device, weight.dtype),
            FeedForwardRecipe recipe => new FeedForwardExpert(recipe.Options, unused, weight.device, weight.dtype),
            GatedFeedForwardRecipe recipe => new GatedFeedForwardExpert(recipe.Options, unused, weight.device, weight.dtype),
            _ => throw new InvalidOperationException($"{single.Recipe.GetType().Name} is not known."),
        };
    }

    private static SelfGatedExpert Gated(SelfGatedExpert gated)
    {
        using var unused = new Generator(0);
        var copy = new SelfGatedExpert(Single((IExpert)gated.Expert, null), unused, gated.GateWeight.device, gated.GateWeight.dtype);
        copy.GateWeight.copy_(gated.GateWeight);
        copy.GateWeight.requires_grad = gated.GateWeight.requires_grad;
        return copy;
    }

    /// <summary>The numbers of one module in another one with tensors of the same names and shapes.</summary>
    private static T State<T>(T from, T to)
        where T : nn.Module
    {
        var old = from.named_parameters().ToDictionary(item => item.name, item => item.parameter);
        foreach (var (name, parameter) in to.named_parameters())
        {
            parameter.copy_(old[name]);
            parameter.requires_grad = old[name].requires_grad;
        }
        return to;
    }

    private static T Trains<T>(nn.Module from, T to)
        where T : nn.Module
    {
        to.train(from.training);
        return to;
    }

    /// <summary>What must agree for two slices to lie in one new stack.</summary>
    private static object Key(StackedExperts.Slice slice, bool? trained)
    {
        var weights = slice.Stack.Recipe.Weights.Select(weight => slice.Stack.get_parameter(weight.Name)!).ToArray();
        return (slice.Stack.Recipe, weights[0].dtype, weights[0].device.ToString(), string.Concat(weights.Select(weight => (trained ?? weight.requires_grad) ? '1' : '0')));
    }
}
