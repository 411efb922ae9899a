using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>A model as the trainer sees it: runs it with a pass, and knows its mixtures and gates by name.</summary>
internal sealed class RoutedModel
{
    private readonly Dictionary<nn.Module, string> _names = [];
    private readonly Dictionary<nn.Module, GatingNetwork> _biasedGates = [];

    public RoutedModel(nn.Module<Tensor, Tensor> module)
    {
        Module = module;
        foreach (var (name, part) in module.named_modules().Prepend(("", module)))
            _names.TryAdd(part, name);
        Routers = [.. _names.Keys.OfType<Router>()];
        Gates = [.. Routers.OfType<GatingNetwork>()];
        foreach (var part in _names.Keys)
        {
            if (GateOf(part) is { SelectionBias: not null } gate)
                _biasedGates[part] = gate;
        }
        RequireHandedOn(module, "");
    }

    public nn.Module<Tensor, Tensor> Module { get; }

    public IReadOnlyList<Router> Routers { get; }

    /// <summary>Those of the routers that schedules can steer.</summary>
    public IReadOnlyList<GatingNetwork> Gates { get; }

    /// <summary>Whether a gate chooses by score + bias.</summary>
    public bool HasSelectionBias => _biasedGates.Count > 0;

    /// <summary>The generators that routers draw from, each once.</summary>
    public IReadOnlyList<Generator> Generators => [.. Routers.Select(gate => gate.Generator).OfType<Generator>().Distinct()];

    /// <summary>Where batches must go: the device of the first parameter.</summary>
    public Device Device => Module.parameters().FirstOrDefault()?.device ?? CPU;

    public Tensor Forward(Tensor input, RoutingPass pass) =>
        Module is IRoutedModule routed ? routed.forward(input, pass) : Module.call(input);

    /// <summary>The modes of all parts as they are now.</summary>
    public ModuleModes Modes() => new(_names.Keys);

    /// <summary>The part's name in the model; "model" for the model itself.</summary>
    public string NameOf(nn.Module? part) =>
        part is null || !_names.TryGetValue(part, out var name) ? part?.GetName() ?? "model" : name.Length > 0 ? name : "model";

    /// <summary>The mixture that reports call so; null for a layer of the user's own.</summary>
    public MixtureOfExperts? MixtureNamed(string name) => _names.Keys.OfType<MixtureOfExperts>().FirstOrDefault(mixture => NameOf(mixture) == name);

    /// <summary>The gate that decides for a layer, if it chooses by score + bias.</summary>
    public GatingNetwork? BiasedGate(nn.Module layer) => _biasedGates.GetValueOrDefault(layer);

    /// <summary>What is wrong with learning to predict a sequence token by token; null when every router is causal now.</summary>
    public string? NotCausal()
    {
        var ahead = Routers.Where(router => !router.IsCausal).Select(router => $"{NameOf(router)} ({Why(router)})").ToArray();
        return ahead.Length == 0 ? null
            : $"Where a token goes depends on later tokens in {string.Join(", ", ahead)}. A model that predicts a sequence token by token would learn from what it is to predict, "
                + "and cannot route so when it generates. Use causal routers, or leave Autoregressive false.";
    }

    private static string Why(Router router) => router is not GatingNetwork gate ? router.GetType().Name
        : gate.Options.Selection.IsCausal ? $"full experts drop by {gate.Capacity!.Overflow} at top-{gate.TopK}"
        : gate.Options.Selection.GetType().Name;

    /// <summary>A layer's own gate: itself, or the only one right below it.</summary>
    private static GatingNetwork? GateOf(nn.Module layer) =>
        layer as GatingNetwork ?? (layer.named_children().Select(child => child.module).OfType<GatingNetwork>().Take(2).ToArray() is [var gate] ? gate : null);

    /// <summary>A mixture below a module that does not take a pass would be left out of the objective without a word.</summary>
    private void RequireHandedOn(nn.Module part, string blockedBy)
    {
        if (part is MixtureOfExperts && blockedBy.Length > 0)
        {
            throw new ArgumentException(
                $"The mixture of experts {NameOf(part)} lies in {blockedBy}, which does not hand on a RoutingPass, so that its balance would be lost. "
                + "Let that module implement IRoutedModule, or use RoutedSequential instead of Sequential.");
        }

        // Lists and dictionaries of modules have no forward of their own; they block nothing. Experts get the pass as layers do.
        if (blockedBy.Length == 0 && part is (nn.Module<Tensor, Tensor> or IExpert) and not IRoutedModule)
            blockedBy = $"{NameOf(part)} ({part.GetType().Name})";
        foreach (var (_, child) in part.named_children())
            RequireHandedOn(child, blockedBy);
    }
}
