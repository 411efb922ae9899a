using Moe.Core;

namespace Moe.HuggingFace;

/// <summary>Whether a layer is what a block of a model can be, the numbers of experts and of choices apart. A checkpoint has no place for anything else.</summary>
internal static class LayerFit
{
    private const int MostListed = 8;

    /// <summary>The plan of a layer that fits.</summary>
    /// <param name="plan">That of the block.</param>
    /// <param name="family">What messages call it.</param>
    /// <param name="layer">The layer.</param>
    /// <exception cref="ArgumentException">It does not fit; all that differs is listed.</exception>
    public static BlockPlan Require(BlockPlan plan, string family, MixtureOfExperts layer)
    {
        var differences = new List<string>();
        var gate = layer.Gate as GatingNetwork;
        differences.AddRange(gate is null ? [$"its gate is a {layer.Gate.GetType().Name}; it must be a {nameof(GatingNetwork)}"] : OfGate(plan, family, gate));
        differences.AddRange(OfExperts(plan, layer));
        differences.AddRange(OfShared(plan, layer));
        if (differences.Count == 0)
        {
            plan = plan.With(layer.Experts.Count, gate!.TopK);
            differences.AddRange(OfShapes(plan, layer));
        }
        if (differences.Count == 0)
            return plan;
        var rest = differences.Count > MostListed ? $"; and {differences.Count - MostListed} differences more" : "";
        throw new ArgumentException($"The layer does not fit into a block of this {family} model: {string.Join("; ", differences.Take(MostListed))}{rest}.", nameof(layer));
    }

    private static IEnumerable<string> OfGate(BlockPlan plan, string family, GatingNetwork gate)
    {
        if (gate.Options.Bias && !plan.Gate.Bias)
            yield return $"its gate has a bias (Gate.Options.Bias is True), as from fresh experts, shared probabilities or {nameof(MergedRows)}.{nameof(MergedRows.Sum)}, and {family} has no tensor for one";
        var expected = plan.Gate with { ExpertCount = gate.Options.ExpertCount, TopK = gate.Options.TopK, Bias = plan.Gate.Bias || gate.Options.Bias };
        foreach (var difference in Differences("Gate.Options", gate.Options, expected))
            yield return difference;
        if (gate.Temperature != plan.Gate.Temperature)
            yield return $"Gate.Temperature is {gate.Temperature}; it must be {plan.Gate.Temperature}";
    }

    private static IEnumerable<string> OfExperts(BlockPlan plan, MixtureOfExperts layer) => layer.Experts
        .SelectMany((expert, index) => OfExpert(expert, plan.Gated, plan.Plain).Select(difference => (difference, index)))
        .GroupBy(item => item.difference, item => item.index)
        .Select(group => $"expert {string.Join(", ", group.Take(MostListed))}{(group.Count() > MostListed ? ", …" : "")}: {group.Key}");

    private static IEnumerable<string> OfShared(BlockPlan plan, MixtureOfExperts layer)
    {
        var count = plan.Shared is null ? 0 : 1;
        if (layer.SharedExperts.Count != count)
            return [$"it has {layer.SharedExperts.Count} shared experts; it must have {count}"];
        if (plan.Shared is not { } shared)
            return [];
        var expert = layer.SharedExperts[0];
        if (expert is SelfGatedExpert != shared.IsSelfGated)
            return [$"its shared expert is a {expert.GetType().Name}; it must {(shared.IsSelfGated ? "" : "not ")}be a {nameof(SelfGatedExpert)}"];
        var inner = expert is SelfGatedExpert { Expert: IExpert own } ? own : expert;
        return OfExpert(inner, plan.Gated is { } gated ? gated with { HiddenWidth = shared.HiddenWidth } : null, plan.Plain is { } plain ? plain with { HiddenWidth = shared.HiddenWidth } : null)
            .Select(difference => $"the shared expert: {difference}");
    }

    private static IEnumerable<string> OfExpert(IExpert expert, GatedFeedForwardOptions? gated, FeedForwardOptions? plain)
    {
        if (gated is not null)
        {
            return GatedFeedForwardOptions.Of(expert) is { } own
                ? Differences("Options", Plainly(own), Plainly(gated))
                : [$"it is a {expert.GetType().Name}; it must be a {nameof(GatedFeedForwardExpert)}"];
        }
        return FeedForwardOptions.Of(expert) is { } other
            ? Differences("Options", other with { OutputWidth = other.OutputWidth ?? other.InputWidth }, plain! with { OutputWidth = plain.OutputWidth ?? plain.InputWidth })
            : [$"it is a {expert.GetType().Name}; it must be a {nameof(FeedForwardExpert)}"];

        // What is meant, however it is said; a unit takes the place of the activation.
        static GatedFeedForwardOptions Plainly(GatedFeedForwardOptions options) =>
            options with { OutputWidth = options.OutputWidth ?? options.InputWidth, Activation = options.Unit is null ? options.Activation : Activation.Silu };
    }

    /// <summary>What the options do not show: a shared expert that lies in a stack has shapes of its own.</summary>
    private static IEnumerable<string> OfShapes(BlockPlan plan, MixtureOfExperts layer)
    {
        var state = layer.state_dict();
        return plan.Parameters.Where(parameter => !parameter.Key.StartsWith(BlockPlan.Stack, StringComparison.Ordinal))
            .Where(parameter => !state.TryGetValue(parameter.Key, out var value) || !value.shape.AsSpan().SequenceEqual(parameter.Value))
            .Select(parameter => $"{parameter.Key} is {(state.TryGetValue(parameter.Key, out var value) ? $"of shape {TensorGuard.Shape(value)}" : "not there")}; it must be of shape [{string.Join(", ", parameter.Value)}]");
    }

    /// <summary>The properties in which two records of options differ.</summary>
    private static IEnumerable<string> Differences<T>(string name, T own, T expected) =>
        from property in typeof(T).GetProperties()
        let value = property.GetValue(own)
        let other = property.GetValue(expected)
        where !Equals(value, other)
        select $"{name}.{property.Name} is {value ?? "null"}; it must be {other ?? "null"}";
}
