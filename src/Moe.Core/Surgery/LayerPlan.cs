using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// What an operation on a layer comes to: new experts and rows of the gate that are copies of old ones, changed afterwards. Everything that could be wrong with it is refused when it is made, before anything of the layer is.
/// </summary>
internal sealed class LayerPlan
{
    private readonly MixtureOfExperts _layer;
    private readonly GatingOptions _options;
    private readonly int[] _sources;

    /// <summary>Checks and keeps a plan.</summary>
    /// <param name="layer">The old layer.</param>
    /// <param name="sources">For each new expert, the old one that it begins as a copy of; null experts last.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="bias">Whether the gate must have a bias, and gets one where it has none.</param>
    /// <param name="parameterName">What is at fault where the plan cannot be.</param>
    /// <param name="fresh">New experts that keep nothing of what they begin as, and may stand in another group than that.</param>
    public LayerPlan(MixtureOfExperts layer, int[] sources, int? topK, bool bias, string parameterName, IReadOnlyList<int>? fresh = null)
    {
        _layer = layer;
        _sources = sources;
        var gate = Gate(layer);
        var answering = gate.ExpertCount - gate.NullExpertCount;
        _options = gate.Options with
        {
            ExpertCount = sources.Length,
            TopK = topK ?? gate.TopK,
            NullExperts = sources.Count(source => source >= answering),
            Bias = gate.Options.Bias || bias,
        };
        if (sources.All(source => source >= answering))
            throw new ArgumentException("Expected a layer in which at least 1 expert is left that answers, got one in which none is.", parameterName);
        _options.Validate(parameterName);
        var failures = new OptionFailures("The list of experts");
        ExpertCopies.Check(failures, "Expert", layer.Experts);
        ExpertCopies.Check(failures, "Shared expert", layer.SharedExperts);
        if (gate.Options.Selection is GroupLimitedSelection { Groups: var groups })
        {
            var size = gate.ExpertCount / groups;
            var inPlace = sources.Select((source, index) => fresh?.Contains(index) == true || source / size == index / (sources.Length / groups)).All(same => same);
            failures.Require(
                inPlace, $"Selection.Groups ({groups}) are told apart by the places of their experts, so that each must be left with as many; of the old experts {string.Join(", ", sources.CountBy(source => source / size).Select(group => group.Value))} would be in them.");
        }
        failures.ThrowIfAny(parameterName);
    }

    /// <summary>The gate of a layer that can be operated on: one with a row for each expert that alone decides.</summary>
    public static GatingNetwork Gate(MixtureOfExperts layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ObjectDisposedException.ThrowIf(layer.IsDisposed, layer);
        if (layer.Gate is not GatingNetwork gate)
            throw new ArgumentException($"Expected a layer with a {nameof(GatingNetwork)}, which has a row for each expert, got one with a {layer.Gate.GetType().Name}.", nameof(layer));
        if (gate.Table is not null)
            throw new ArgumentException("Expected a gate that chooses by its rows, got one that chooses by a table, which names the experts that there are.", nameof(layer));
        if (gate.Options.Projection is TwoLevelProjection)
            throw new ArgumentException("Expected a gate with one level, got one with two: the softmax of a group is over the experts that it has.", nameof(layer));
        return gate;
    }

    /// <summary>Experts of a layer that an operation is about: there, each once, and answering.</summary>
    public static int[] Named(MixtureOfExperts layer, IEnumerable<int> experts, string parameterName, bool nullExperts = false)
    {
        ArgumentNullException.ThrowIfNull(experts, parameterName);
        int[] named = [.. experts];
        var count = layer.Experts.Count - (nullExperts ? 0 : layer.Gate.NullExpertCount);
        if (named.Any(expert => expert < 0 || expert >= count) || named.Distinct().Count() < named.Length)
            throw new ArgumentException($"Expected different experts from 0 to {count - 1}, got [{string.Join(", ", named)}].", parameterName);
        return named;
    }

    /// <summary>A report about the layer's experts.</summary>
    public static RoutingReport Usage(MixtureOfExperts layer, RoutingReport usage)
    {
        ArgumentNullException.ThrowIfNull(usage);
        return usage.ExpertCount == layer.Experts.Count
            ? usage
            : throw new ArgumentException($"Expected a report about the layer's {layer.Experts.Count} experts, got one about {usage.ExpertCount}.", nameof(usage));
    }

    /// <summary>Makes the new layer and measures it.</summary>
    /// <param name="change">What is to be different in it.</param>
    /// <param name="sources">What the result says of the new experts; null for what they were copied from.</param>
    /// <param name="newIndices">Where the old experts are now, or -1.</param>
    /// <param name="probe">Asked before and after; null for no report.</param>
    /// <param name="learning">New experts that learn, whether what they are copies of does or not.</param>
    public SurgeryResult Carry(Action<MixtureOfExperts, GatingNetwork> change, int[]? sources, int[] newIndices, Tensor? probe, int[]? learning = null)
    {
        var gate = (GatingNetwork)_layer.Gate;
        return Carry(_layer, () =>
        {
            var copy = GateCopy.Of(gate, _options, _sources);
            return (copy, ExpertCopies.Of(_layer.Experts, _sources, index => learning?.Contains(index) == true ? true : null));
        }, made => change(made, (GatingNetwork)made.Gate), sources ?? _sources, newIndices, probe);
    }

    /// <summary>Asks the probe, makes the new layer from gate and experts and the copies of the shared ones, changes it, and asks again. A layer that cannot be finished is disposed.</summary>
    public static SurgeryResult Carry(
        MixtureOfExperts layer, Func<(Router Gate, IExpert[] Experts)> make, Action<MixtureOfExperts> change, int[] sources, int[] newIndices, Tensor? probe)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var before = probe is null ? default : ProbeAnswer.Of(layer, probe);
        var (gate, experts) = make();
        var made = new MixtureOfExperts(gate, experts, ExpertCopies.All(layer.SharedExperts));
        try
        {
            made.train(layer.training);
            change(made);
            return new SurgeryResult(made, sources, newIndices, probe is null ? null : PreservationReport.Of(before, ProbeAnswer.Of(made, probe), newIndices));
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }
}
