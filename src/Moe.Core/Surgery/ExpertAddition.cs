using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes a layer with more experts than another one: copies of experts that are there, or fresh ones that answer zero at first.</summary>
/// <remarks>
/// <para>Copies share the tokens of their source. With K = 1 and a softmax after selection the output changes by no more than the noise. With a larger K source and copy are chosen together, and push others out, wherever the noise on the gate is smaller
/// than the lead of the source over the next expert. With dense routing <see cref="ExpertAdditionOptions.SplitShare"/> keeps the output.</para>
/// <para>Fresh experts have fresh first weights and last weights of zero, so that they answer zero and learn from the first token on; their row of the gate is zero (drawn, for a <see cref="CosineProjection"/>) and a bias keeps them from being chosen at first
/// (<see cref="ExpertAdditionOptions.Start"/>). While none is chosen the output stays the same, to rounding, where weights depend on the chosen experts alone; a softmax over all experts gives them a share, beside
/// which a selection bias counts for more.</para>
/// <para>New experts stand behind the old ones, before null experts; with a group-limited selection at the end of each group, as many in each. With more experts, each has fewer places by a capacity factor. New experts learn,
/// those beside frozen ones too (<see cref="ExpertFreezing"/>).</para>
/// <para>Widening without changing the function: Chen et al. 2016, "Net2Net"; copies of experts, and of their rows, under the same K: Dwivedi et al. 2026, "Expert Upcycling".</para>
/// </remarks>
public static class ExpertAddition
{
    /// <summary>Adds copies of the experts that the most assignments were made to, its copies so far sharing those of each.</summary>
    /// <inheritdoc cref="AddCopies"/>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="count">How many; with a group-limited selection a multiple of the number of groups, and as many of each.</param>
    /// <param name="usage">Who was chosen, over many tokens.</param>
    /// <param name="options">Noise; the defaults when null.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="generator">Draws the noise; torch's global one when null. Not kept.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    public static SurgeryResult AddCopiesOfBusiest(
        MixtureOfExperts layer, int count, RoutingReport usage, ExpertAdditionOptions? options = null, int? topK = null, Generator? generator = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        LayerPlan.Usage(layer, usage);
        var groups = Groups(gate);
        if (count < 1 || count % groups != 0)
            throw new ArgumentException($"Expected to add 1 expert or more, a multiple of the number of groups ({groups}), got {count}.", nameof(count));
        var sources = Enumerable.Range(0, gate.ExpertCount - gate.NullExpertCount)
            .GroupBy(expert => expert / (gate.ExpertCount / groups))
            .SelectMany(group => Busiest([.. group], count / groups, usage));
        return AddCopies(layer, [.. sources], options, topK, generator, probe);
    }

    /// <summary>Adds a copy for each expert named.</summary>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="sources">Who is copied; an expert may be named several times. With a group-limited selection as many of each group.</param>
    /// <param name="options">Noise; the defaults when null.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="generator">Draws the noise; torch's global one when null. Not kept.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    /// <returns>The new layer and, with a probe, the report.</returns>
    /// <exception cref="ArgumentException">
    /// A source is not there, an option or K is out of range; the gate is not a <see cref="GatingNetwork"/> whose rows alone decide; the groups of a group-limited selection would no longer have as many experts each; an expert cannot be copied; or the probe
    /// does not fit. Nothing has been made then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static SurgeryResult AddCopies(
        MixtureOfExperts layer, IReadOnlyList<int> sources, ExpertAdditionOptions? options = null, int? topK = null, Generator? generator = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        ArgumentNullException.ThrowIfNull(sources);
        options ??= new ExpertAdditionOptions();
        options.Validate(nameof(options));
        LayerPlan.Named(layer, sources.Distinct(), nameof(sources));
        if (sources.Count == 0)
            throw new ArgumentException("Expected to add 1 expert or more, got none to copy.", nameof(sources));
        if (options.SplitShare && (gate.Options.Score != ScoreFunction.Softmax || gate.Options.Projection is not LinearProjection))
            throw new ArgumentException($"SplitShare (True) divides a probability: Score ({gate.Options.Score}) must be Softmax, and Projection ({gate.Options.Projection.GetType().Name}) linear.", nameof(options));

        var (templates, added) = Placed(gate, sources);
        var newIndices = Old(gate.ExpertCount, templates, added);
        return new LayerPlan(layer, templates, topK, options.SplitShare, nameof(sources)).Carry((made, to) =>
        {
            foreach (var index in added)
            {
                foreach (var (target, isParameter) in ExpertState.Of(made.Experts[index], index).Values)
                {
                    if (isParameter && options.ExpertNoise > 0)
                        target.add_(WeightNoise.Draw(target, target, options.ExpertNoise, generator));
                }
                if (options.GateNoise > 0)
                    to.Weight.select(0, index).add_(WeightNoise.Draw(to.Weight.select(0, index), gate.Weight, options.GateNoise, generator));
            }
            if (!options.SplitShare)
                return;
            foreach (var (source, copies) in sources.CountBy(source => source))
            {
                foreach (var index in added.Where(index => templates[index] == source).Append(newIndices[source]))
                    to.Bias!.select(0, index).sub_(Math.Log(copies + 1));
            }
        }, null, newIndices, probe, added);
    }

    /// <summary>Adds experts with fresh weights, the last of them zero.</summary>
    /// <inheritdoc cref="AddCopies"/>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="count">How many; with a group-limited selection a multiple of the number of groups.</param>
    /// <param name="options">How they are kept from being chosen at first; the defaults when null.</param>
    /// <param name="like">The expert whose kind, widths, type and device they have: a linear, feed-forward or gated feed-forward one.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    public static SurgeryResult AddFresh(
        MixtureOfExperts layer, int count, ExpertAdditionOptions? options = null, int like = 0, int? topK = null, Generator? generator = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        options ??= new ExpertAdditionOptions();
        options.Validate(nameof(options));
        LayerPlan.Named(layer, [like], nameof(like));
        var groups = Groups(gate);
        if (count < 1 || count % groups != 0)
            throw new ArgumentException($"Expected to add 1 expert or more, a multiple of the number of groups ({groups}), got {count}.", nameof(count));
        var recipe = ExpertRecipe.Of(layer.Experts[like])
            ?? throw new ArgumentException($"Expected a linear, feed-forward or gated feed-forward expert to make others like, but expert {like} is a {layer.Experts[like].GetType().Name}.", nameof(like));
        var needsBias = gate.SelectionBias is null;
        if (needsBias && gate.Options.Projection is not LinearProjection)
            throw new ArgumentException("Expected a gate with a selection bias or room for a bias, which keeps fresh experts from being chosen at first; a cosine has neither here.", nameof(layer));

        var size = gate.ExpertCount / groups;
        var (templates, added) = Placed(gate, [.. Enumerable.Range(0, count).Select(index => groups == 1 ? like : index / (count / groups) * size)]);
        foreach (var index in added)
            templates[index] = like;
        int[] sources = [.. templates.Select((source, index) => added.Contains(index) ? -1 : source)];
        return new LayerPlan(layer, templates, topK, needsBias, nameof(count), fresh: added).Carry((made, to) =>
        {
            foreach (var index in added)
            {
                Begin(ExpertState.Of(made.Experts[index], index), recipe, generator);
                BeginRows(to, index, gate, options.Start, generator);
            }
        }, sources, Old(gate.ExpertCount, templates, added), probe, added);
    }

    private static int Groups(GatingNetwork gate) => (gate.Options.Selection as GroupLimitedSelection)?.Groups ?? 1;

    private static IEnumerable<int> Busiest(int[] experts, int count, RoutingReport usage)
    {
        var heads = experts.ToDictionary(expert => expert, _ => 1);
        for (var index = 0; index < count; index++)
        {
            var busiest = experts.MaxBy(expert => (double)usage.Assigned[expert] / heads[expert]);
            heads[busiest]++;
            yield return busiest;
        }
    }

    /// <summary>Old and new experts in their order, each new one as what it is copied from, and where the new ones are.</summary>
    private static (int[] Templates, int[] Added) Placed(GatingNetwork gate, IReadOnlyList<int> sources)
    {
        var (groups, answering) = (Groups(gate), gate.ExpertCount - gate.NullExpertCount);
        var size = groups == 1 ? answering : gate.ExpertCount / groups;
        var (templates, added) = (new List<int>(), new List<int>());
        for (var group = 0; group < groups; group++)
        {
            templates.AddRange(Enumerable.Range(group * size, Math.Min(size, answering - (group * size))));
            foreach (var source in sources.Where(source => source / size == group))
            {
                added.Add(templates.Count);
                templates.Add(source);
            }
        }
        templates.AddRange(Enumerable.Range(answering, gate.NullExpertCount));
        return ([.. templates], [.. added]);
    }

    private static int[] Old(int experts, int[] templates, int[] added)
    {
        int[] old = [.. Enumerable.Range(0, templates.Length).Except(added)];
        return experts == old.Length ? old : throw new InvalidOperationException($"{experts} experts became {old.Length}.");
    }

    private static void Begin(Dictionary<string, (Tensor Value, bool IsParameter)> state, ExpertRecipe recipe, Generator? generator)
    {
        foreach (var weight in recipe.Weights)
        {
            var target = state[weight.Name].Value;
            if (weight.IsLast || weight.FanIn == 0)
            {
                target.zero_();
                continue;
            }
            using var drawn = NewParameter.Uniform(weight.Shape, weight.FanIn, generator, target.device, target.dtype, weight.Parts);
            target.copy_(drawn);
        }
    }

    private static void BeginRows(GatingNetwork to, int index, GatingNetwork from, double? start, Generator? generator)
    {
        var row = to.Weight.select(0, index);
        if (to.Options.Projection is CosineProjection)
        {
            using var drawn = NewParameter.Uniform([1, row.size(0)], row.size(0), generator, row.device, row.dtype);
            row.copy_(drawn[0]);
        }
        else
        {
            row.zero_();
        }
        to.NoiseWeight?.select(0, index).zero_();
        to.Bias?.select(0, index).zero_();

        var (target, old, below) = to.SelectionBias is { } selection ? (selection, from.SelectionBias!, 1) : (to.Bias!, from.Bias, 10);
        var first = target.select(0, index);
        if (start is { } given)
            first.fill_(given);
        else if (old is null)
            first.fill_(-below);
        else
            first.copy_(old.min() - below);
    }
}
