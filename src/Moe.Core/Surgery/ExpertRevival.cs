using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Brings dead experts back: a dead one becomes a copy of a busy one, a little different, and so does its row in the gate, so that the two share the busy one's tokens.
/// </summary>
/// <remarks>
/// <para>In place and without gradients: parameters stay the same objects, so that an optimizer goes on with them. Call it between two steps.</para>
/// <para>Where weights are a softmax over the chosen experts and K = 1, outputs change by no more than the noise. Where the softmax is over all experts, the copy takes a share of it
/// that was spread over others before.</para>
/// </remarks>
public static class ExpertRevival
{
    /// <summary>Brings back every expert that a report calls dead, each from the living one with the most assignments, its copies so far sharing them.</summary>
    /// <param name="layer">The layer. Changed in place.</param>
    /// <param name="report">Who answered, over many tokens: an expert that had bad luck in one batch is not dead.</param>
    /// <param name="options">How much noise there is; the defaults when null.</param>
    /// <param name="generator">Draws the noise; torch's global one when null. Not kept.</param>
    /// <returns>The experts brought back; none when nobody lives. Null experts are left alone.</returns>
    /// <exception cref="ArgumentException">
    /// The report is of another layer, an option is out of range, or two experts or the gate are not fit for it (<see cref="Revive"/>). Nothing has been changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static IReadOnlyList<int> ReviveDead(MixtureOfExperts layer, RoutingReport report, ExpertRevivalOptions? options = null, Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(report);
        if (report.ExpertCount != layer.Experts.Count)
            throw new ArgumentException($"Expected a report about the layer's {layer.Experts.Count} experts, got one about {report.ExpertCount}.", nameof(report));
        var answering = layer.Experts.Count - layer.Gate.NullExpertCount;
        int[] dead = [.. report.DeadExperts.Where(expert => expert < answering)];
        int[] living = [.. Enumerable.Range(0, answering).Except(dead)];
        if (living.Length == 0)
            return [];

        var heads = new int[answering];
        var pairs = new List<(int Dead, int Source)>();
        foreach (var expert in dead)
        {
            var busiest = living.MaxBy(source => (double)report.Assigned[source] / (1 + heads[source]));
            heads[busiest]++;
            pairs.Add((expert, busiest));
        }
        Copy(layer, pairs, options, generator);
        return dead;
    }

    /// <summary>Brings one expert back.</summary>
    /// <param name="layer">The layer. Changed in place.</param>
    /// <param name="dead">The expert that is overwritten.</param>
    /// <param name="source">The expert that is copied.</param>
    /// <param name="options">How much noise there is; the defaults when null.</param>
    /// <param name="generator">Draws the noise; torch's global one when null. Not kept.</param>
    /// <exception cref="ArgumentException">
    /// An option or expert is out of range; the two experts are one, are not modules, or are of different kinds or shapes; or the gate is not a <see cref="GatingNetwork"/> in which a
    /// row decides who is sent to an expert. Nothing has been changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static void Revive(MixtureOfExperts layer, int dead, int source, ExpertRevivalOptions? options = null, Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(layer);
        var experts = layer.Experts.Count;
        if (dead < 0 || dead >= experts || source < 0 || source >= experts || dead == source)
            throw new ArgumentException($"Expected two experts from 0 to {experts - 1}, got {dead} to be brought back from {source}.", nameof(dead));
        Copy(layer, [(dead, source)], options, generator);
    }

    /// <summary>Checks all and makes all that is to be written before it writes: what is refused or cannot be drawn has changed nothing.</summary>
    private static void Copy(MixtureOfExperts layer, List<(int Dead, int Source)> pairs, ExpertRevivalOptions? options, Generator? generator)
    {
        ObjectDisposedException.ThrowIf(layer.IsDisposed, layer);
        options ??= new ExpertRevivalOptions();
        options.Validate(nameof(options));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var writes = new List<(Tensor Target, Tensor Value)>();
        foreach (var (dead, source) in pairs)
        {
            foreach (var (target, value, isParameter) in ExpertState.Pair(layer.Experts, dead, source))
                writes.Add((target, isParameter ? value + WeightNoise.Draw(value, value, options.ExpertNoise, generator) : value));
            foreach (var (target, value, decides) in GateRows.Pair(layer.Gate, dead, source))
                writes.Add((target, decides is null ? value : value + WeightNoise.Draw(value, decides, options.GateNoise, generator)));
        }
        foreach (var (target, value) in writes)
            target.copy_(value);
    }
}
