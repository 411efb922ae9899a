using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The parameters and buffers of one expert, wherever they lie: in a module of its own, or as a slice of each tensor of a stack.</summary>
internal static class ExpertState
{
    /// <summary>What is to be overwritten in one expert, and with what of the other; refuses experts that are no copies of each other but for their numbers.</summary>
    public static IEnumerable<(Tensor Target, Tensor Value, bool IsParameter)> Pair(IReadOnlyList<IExpert> experts, int target, int source)
    {
        var (to, from) = (Of(experts[target], target), Of(experts[source], source));
        if (!Equals(Kind(experts[target]), Kind(experts[source])))
            throw Unlike($"{Kind(experts[target])} and {Kind(experts[source])}");
        var different = to.Keys.Union(from.Keys).FirstOrDefault(name =>
            !to.TryGetValue(name, out var a) || !from.TryGetValue(name, out var b) || !a.Value.shape.AsSpan().SequenceEqual(b.Value.shape));
        if (different is not null)
            throw Unlike($"{different} is {Shape(to, different)} and {Shape(from, different)}");
        return to.Select(item => (item.Value.Value, from[item.Key].Value, item.Value.IsParameter));

        ArgumentException Unlike(string difference) =>
            new($"Expected experts of one kind and shape, but expert {target} and expert {source} differ: {difference}.");
    }

    /// <summary>What one expert holds, by name; views that may be written to.</summary>
    public static Dictionary<string, (Tensor Value, bool IsParameter)> Of(IExpert expert, int index)
    {
        if (expert is StackedExperts.Slice slice)
            return slice.Stack.named_parameters().ToDictionary(item => item.name, item => (item.parameter.select(0, slice.Index), true));
        if (expert is not nn.Module module)
            throw new ArgumentException($"Expected experts that are modules, but expert {index} ({expert.GetType().Name}) is not, so that it has no parameters to copy.");
        var parameters = module.named_parameters().Select(item => item.name).ToHashSet();
        return module.state_dict().ToDictionary(item => item.Key, item => (item.Value, parameters.Contains(item.Key)));
    }

    /// <summary>What must agree besides shapes: equal tensors under different activations are different experts.</summary>
    private static object Kind(IExpert expert) => expert switch
    {
        StackedExperts.Slice slice => slice.Stack.Recipe,
        StackableExpert single => single.Recipe,
        _ => expert.GetType().Name,
    };

    private static string Shape(Dictionary<string, (Tensor Value, bool IsParameter)> state, string name) =>
        state.TryGetValue(name, out var item) ? TensorGuard.Shape(item.Value) : "missing";
}
