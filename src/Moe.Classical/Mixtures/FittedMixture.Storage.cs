namespace Moe.Classical;

/// <content>Storage.</content>
public sealed partial class FittedMixture
{
    internal const string StateKind = "mixture";

    /// <inheritdoc/>
    /// <remarks>Gate, noise, columns and all; not the report.</remarks>
    /// <exception cref="NotSupportedException">An expert or the gate cannot be stored; the message says which.</exception>
    public ExpertState ToState()
    {
        if (Gate is not IStoredGate gate)
            throw new NotSupportedException($"The gate, a {Gate.GetType().Name}, cannot be stored: it is no {nameof(IStoredGate)}.");
        var state = new ExpertState(StateKind)
            .Set("kind", Kind)
            .Set("classes", Classes)
            .Set("inputWidth", InputWidth)
            .Set("topK", TopK)
            .Set("names", Components.Select(component => component.Name).ToArray())
            .Set("fixed", Components.Select(component => component.IsFixed).ToArray())
            .Set("ownDensity", Components.Select(component => component.Noise is null).ToArray())
            .Set("gateColumns", GateColumns?.ToArray())
            .Add("gate", gate.ToState());
        for (var place = 0; place < Components.Count; place++)
        {
            var component = Components[place];
            if (component.Expert is not IStoredExpert expert)
            {
                state.Dispose();
                throw new NotSupportedException($"Expert \"{component.Name}\", a {component.Expert.GetType().Name}, cannot be stored: it is no {nameof(IStoredExpert)}.");
            }
            state.Set($"columns{place}", component.Columns?.ToArray()).Add($"expert{place}", expert.ToState());
            if (component.Noise is { } noise)
                state.Add($"noise{place}", noise.ToState());
        }
        return state;
    }

    internal static FittedMixture FromState(ExpertState state)
    {
        var names = state.Get<string[]>("names");
        var isFixed = state.Get<bool[]>("fixed");
        if (isFixed.Length != names.Length)
            throw new ArgumentException($"The state has {names.Length} names, but says of {isFixed.Length} experts whether they are fixed.", nameof(state));
        var ownDensity = state.Get<bool[]>("ownDensity");
        if (ownDensity.Length != names.Length)
            throw new ArgumentException($"The state has {names.Length} names, but says of {ownDensity.Length} experts whether their own density is taken.", nameof(state));
        var components = names.Select((name, place) => new MixtureComponent(
            name,
            StoredExperts.Read(state.Child($"expert{place}")),
            ownDensity[place] ? null : StoredNoises.Read(state.Child($"noise{place}")),
            state.Get<int[]?>($"columns{place}"),
            isFixed[place])).ToArray();
        var mixture = new FittedMixture(
            components, StoredGates.Read(state.Child("gate")), state.Get<int[]?>("gateColumns"), state.Get<ResponseKind>("kind"), state.Get<int>("classes"), state.Get<long>("inputWidth"));
        return state.Get<int?>("topK") is { } k ? mixture.WithTopK(k) : mixture;
    }
}
