using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>What a block of a model is: gate, experts, their parameters, and the tensors that these are published as.</summary>
internal sealed class BlockPlan
{
    /// <summary>What the names of the experts' parameters begin with, while all lie in one stack.</summary>
    public const string Stack = "experts.0.";

    private readonly ModelFamily _family;
    private readonly Dictionary<string, long[]> _parameters = [];

    private BlockPlan(ModelFamily family, GatingOptions gate, GatedFeedForwardOptions? gated, FeedForwardOptions? plain, SharedExpert? shared)
    {
        (_family, Gate, Gated, Plain, Shared) = (family, gate, gated, plain, shared);
        if (Gated is null == Plain is null)
            throw new ArgumentException($"Family {family.Name} must have either {nameof(ModelFamily.GatedExperts)} or {nameof(ModelFamily.PlainExperts)}.", nameof(family));
        RequireSense();
        SharedPrefix = Shared is { IsSelfGated: true } ? "shared_experts.0.expert." : "shared_experts.0.";
        foreach (var role in Enum.GetValues<WeightRole>())
        {
            if (TargetOf(role) is { } target)
                _parameters[target.Parameter] = target.Whole;
        }
    }

    public GatingOptions Gate { get; }

    public GatedFeedForwardOptions? Gated { get; }

    public FeedForwardOptions? Plain { get; }

    public SharedExpert? Shared { get; }

    /// <summary>What the names of the shared expert's parameters begin with.</summary>
    public string SharedPrefix { get; }

    public long InputWidth => Gated?.InputWidth ?? Plain!.InputWidth;

    public long HiddenWidth => Gated?.HiddenWidth ?? Plain!.HiddenWidth;

    /// <summary>Names, as the layer's state has them, and shapes.</summary>
    public IReadOnlyDictionary<string, long[]> Parameters => _parameters;

    /// <exception cref="InvalidDataException">A field of the settings is missing or cannot be.</exception>
    public static BlockPlan Of(ModelFamily family, ModelConfig config)
    {
        if (family.ConfigPart is { } part && config.Has(part))
            config = config.Part(part);
        return new(family, family.Gate(config), family.GatedExperts?.Invoke(config), family.PlainExperts?.Invoke(config), family.Shared?.Invoke(config));
    }

    /// <summary>The same with other numbers of experts and of choices.</summary>
    public BlockPlan With(int experts, int topK) => new(_family, Gate with { ExpertCount = experts, TopK = topK }, Gated, Plain, Shared);

    /// <summary>The tensors of a layout, in the order of the family's table.</summary>
    /// <param name="beginning">What their names begin with.</param>
    /// <param name="layout">One that the family has.</param>
    public IReadOnlyList<PublishedTensor> Tensors(string beginning, BlockLayout layout)
    {
        var tensors = new List<PublishedTensor>();
        var filled = new Dictionary<string, long>();
        foreach (var place in _family.Places(layout)!)
        {
            if (TargetOf(place.Role) is not { } target)
                continue;
            tensors.AddRange(TensorsOf(beginning, place, target));
            filled[target.Parameter] = filled.GetValueOrDefault(target.Parameter) + target.Rows;
        }

        // A table that forgets a weight, or has it twice, is found before any file is read.
        foreach (var (name, shape) in _parameters)
        {
            var rows = name.StartsWith(Stack, StringComparison.Ordinal) ? shape[1] : shape[0];
            if (filled.GetValueOrDefault(name) != rows)
                throw new ArgumentException($"The table of family {_family.Name} for layout {layout} gives {filled.GetValueOrDefault(name)} of the {rows} rows of {name}.");
        }
        return tensors;
    }

    /// <summary>Everything else that gate and experts refuse, found before a tensor is read: one of each is made, without memory and of a width that does not matter.</summary>
    /// <exception cref="InvalidDataException">An option that comes from a field of the settings cannot be.</exception>
    public void RequireOptions()
    {
        try
        {
            new GatingNetwork(Gate with { InputWidth = 1 }, device: META).Dispose();
            if (Gated is not null)
                new GatedFeedForwardExpert(Gated with { InputWidth = 1, HiddenWidth = 1 }, device: META).Dispose();
            else
                new FeedForwardExpert(Plain! with { InputWidth = 1, HiddenWidth = 1 }, device: META).Dispose();
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"The settings of this {_family.Name} model make options that cannot be: {exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal)}", exception);
        }
    }

    /// <summary>Numbers that no block has, some of which no shape of a tensor would show.</summary>
    private void RequireSense()
    {
        var wrong = Gate switch
        {
            { ExpertCount: < 1 } => $"{Gate.ExpertCount} experts",
            _ when InputWidth < 1 || HiddenWidth < 1 || Shared is { HiddenWidth: < 1 } => $"widths of {InputWidth}, {HiddenWidth} in an expert and {Shared?.HiddenWidth ?? 0} in a shared one",
            { TopK: < 1 } => $"{Gate.TopK} experts a token",
            _ when Gate.TopK > Gate.ExpertCount => $"{Gate.TopK} of {Gate.ExpertCount} experts a token",
            { Selection: GroupLimitedSelection { Groups: var groups, KeptGroups: var kept } } when groups < 1 || Gate.ExpertCount % groups != 0 || kept < 1 || kept > groups || Gate.TopK > Gate.ExpertCount / groups * kept =>
                $"{Gate.TopK} experts a token out of {kept} of {groups} groups of {Gate.ExpertCount} experts",
            _ => null,
        };
        if (wrong is not null)
            throw new InvalidDataException($"The settings of this {_family.Name} model say {wrong}, which cannot be.");
    }

    private IEnumerable<PublishedTensor> TensorsOf(string beginning, WeightPlace place, Target target)
    {
        var name = beginning + place.Name;
        var isMxfp4 = place.Form.HasFlag(WeightForm.Mxfp4);
        var own = target.Own;
        long[] shape = place.Form.HasFlag(WeightForm.Transposed) ? [own[1], own[0]] : place.Form.HasFlag(WeightForm.OneRow) ? [1, own[0]] : own;
        var count = shape.Aggregate(1L, (product, size) => product * size);
        if (!target.IsStacked)
            return [new(name, shape, place.Role, isMxfp4, [PieceOf(null, 0)])];

        var experts = Gate.ExpertCount;
        if (place.IsPerExpert)
        {
            return Enumerable.Range(0, experts).Select(expert => new PublishedTensor(
                name.Replace(WeightPlace.Expert, $"{expert}", StringComparison.Ordinal), shape, place.Role, isMxfp4, [PieceOf(expert, 0)]));
        }
        long[] all = place.Form.HasFlag(WeightForm.Joined) ? [experts * shape[0], .. shape[1..]] : [experts, .. shape];
        return [new(name, all, place.Role, isMxfp4, [.. Enumerable.Range(0, experts).Select(expert => PieceOf(expert, expert * count))])];

        WeightPiece PieceOf(int? expert, long first) => new(first, shape, place.Form, target.Parameter, expert, target.FirstRow, target.Rows);
    }

    /// <summary>Where a role lies in the layer; null if this block has none.</summary>
    private Target? TargetOf(WeightRole role)
    {
        var (experts, width, hidden) = ((long)Gate.ExpertCount, InputWidth, HiddenWidth);
        var hasBias = Gated?.Bias ?? Plain!.Bias;
        var shared = Shared?.HiddenWidth ?? 0;
        return role switch
        {
            WeightRole.RouterWeight => new("gate.weight", [experts, width], 0, experts, IsStacked: false),
            WeightRole.RouterBias => Gate.Bias ? new("gate.bias", [experts], 0, experts, IsStacked: false) : null,
            WeightRole.SelectionBias => Gate.SelectionBias ? new("gate.selection_bias", [experts], 0, experts, IsStacked: false) : null,
            WeightRole.Gate => Gated is null ? null : Experts("gate_up_weight", [2 * hidden, width], 0, hidden),
            WeightRole.Up => Gated is null ? Experts("up_weight", [hidden, width], 0, hidden) : Experts("gate_up_weight", [2 * hidden, width], hidden, hidden),
            WeightRole.GateUp => Gated is null ? null : Experts("gate_up_weight", [2 * hidden, width], 0, 2 * hidden),
            WeightRole.Down => Experts("down_weight", [width, hidden], 0, width),
            WeightRole.GateBias => Gated is null || !hasBias ? null : Experts("gate_up_bias", [2 * hidden], 0, hidden),
            WeightRole.UpBias => !hasBias ? null : Gated is null ? Experts("up_bias", [hidden], 0, hidden) : Experts("gate_up_bias", [2 * hidden], hidden, hidden),
            WeightRole.GateUpBias => Gated is null || !hasBias ? null : Experts("gate_up_bias", [2 * hidden], 0, 2 * hidden),
            WeightRole.DownBias => hasBias ? Experts("down_bias", [width], 0, width) : null,
            WeightRole.SharedGate => Common("gate_up_weight", [2 * shared, width], 0, shared),
            WeightRole.SharedUp => Common("gate_up_weight", [2 * shared, width], shared, shared),
            WeightRole.SharedGateUp => Common("gate_up_weight", [2 * shared, width], 0, 2 * shared),
            WeightRole.SharedDown => Common("down_weight", [width, shared], 0, width),
            WeightRole.SharedGateBias => hasBias ? Common("gate_up_bias", [2 * shared], 0, shared) : null,
            WeightRole.SharedUpBias => hasBias ? Common("gate_up_bias", [2 * shared], shared, shared) : null,
            WeightRole.SharedDownBias => hasBias ? Common("down_bias", [width], 0, width) : null,
            WeightRole.SharedSelector => Shared is { IsSelfGated: true } ? new("shared_experts.0.gate_weight", [1, width], 0, 1, IsStacked: false) : null,
            _ => throw new ArgumentOutOfRangeException(nameof(role), role, $"There is no role {role}."),
        };

        Target Experts(string name, long[] shape, long first, long rows) => new(Stack + name, [experts, .. shape], first, rows, IsStacked: true);

        Target? Common(string name, long[] shape, long first, long rows) => Shared is null ? null : new(SharedPrefix + name, shape, first, rows, IsStacked: false);
    }

    /// <summary>Rows of a parameter; of each expert's part, where it is a stack.</summary>
    private sealed record Target(string Parameter, long[] Whole, long FirstRow, long Rows, bool IsStacked)
    {
        /// <summary>The shape of these rows.</summary>
        public long[] Own => [Rows, .. Whole[(IsStacked ? 2 : 1)..]];
    }
}
