using Moe.Core;
using Moe.Training;

namespace RouterZoo;

/// <summary>A router and how its authors keep it in balance.</summary>
/// <param name="Name">Its name in table and picture.</param>
/// <param name="Build">Makes one with fresh weights.</param>
/// <param name="Training">Adds what belongs to it to the settings that all share.</param>
internal sealed record Animal(string Name, Func<Router> Build, Func<TrainerOptions, long, TrainerOptions>? Training = null);

/// <summary>One router of each kind. All choose among the same experts, two for a token where the kind leaves that open.</summary>
internal static class Zoo
{
    public const int Width = 32;
    public const int Experts = 8;
    public const int TopK = 2;

    public static Animal[] Animals { get; } =
    [
        new("dense", () => new GatingNetwork(PublishedGates.Dense(Width, Experts))),
        new("hierarchical, dense", () => new GatingNetwork(PublishedGates.Hierarchical(Width, Experts, groups: 4))),
        new("noisy top-2 (Shazeer)", () => new GatingNetwork(PublishedGates.Shazeer(Width, Experts)), ImportanceAndLoad),
        new("top-2 (Mixtral)", () => new GatingNetwork(PublishedGates.Mixtral(Width, Experts))),
        new("top-2, straight-through", () => new GatingNetwork(PublishedGates.Mixtral(Width, Experts) with { StraightThrough = true })),
        new("top-2, null experts", () => new GatingNetwork(PublishedGates.Mixtral(Width, Experts + 2) with { NullExperts = 2 })),
        new("dense to sparse", () => new GatingNetwork(PublishedGates.Dense(Width, Experts)), DenseToSparse),
        new("top-1 (Switch)", () => new GatingNetwork(PublishedGates.Switch(Width, Experts)), ZLoss),
        new("2nd by chance (GShard)", () => new GatingNetwork(PublishedGates.GShard(Width, Experts))),
        new("batch-prioritised (V-MoE)", () => new GatingNetwork(PublishedGates.VMoE(Width, Experts)), ImportanceAndLoadOfVMoE),
        new("cosine (X-MoE)", () => new GatingNetwork(PublishedGates.XMoE(Width, Experts, TopK))),
        new("top-p", () => new GatingNetwork(PublishedGates.Mixtral(Width, Experts, 4) with { Selection = new TopPSelection() })),
        new("SparseMixer (PhiMoE)", () => new GatingNetwork(PublishedGates.PhiMoE(Width, Experts))),
        new("groups, bias (DeepSeek-V3)", () => new GatingNetwork(PublishedGates.DeepSeekV3(Width, Experts, TopK, groups: 4, keptGroups: 2)), WithoutLoss(new BiasBalancing(new() { Rate = 0.01 }))),
        new("quantile balancing", () => new GatingNetwork(PublishedGates.DeepSeekV3(Width, Experts, TopK)), WithoutLoss(new QuantileBalancing())),
        new("weight on input (Llama 4)", () => new GatingNetwork(PublishedGates.Llama4(Width, Experts))),
        new("ReLU (ReMoE)", () => new GatingNetwork(PublishedGates.ReMoE(Width, Experts)), AdaptiveL1),
        new("hash by position", () => new GatingNetwork(PublishedGates.Hash(Width, Experts, PatchModel.Patches, TopK))),
        new("Sinkhorn (S-BASE)", () => new GatingNetwork(PublishedGates.Sinkhorn(Width, Experts, TopK)), WithoutLoss()),
        new("assignment (BASE)", () => new GatingNetwork(PublishedGates.Base(Width, Experts)), WithoutLoss()),
        new("expert choice", () => new GatingNetwork(PublishedGates.ExpertChoice(Width, Experts)), WithoutLoss()),
        new("Soft MoE", () => new SoftRouter(new() { InputWidth = Width, ExpertCount = Experts, SlotsPerExpert = PatchModel.Patches * TopK / Experts }), WithoutLoss()),
    ];

    /// <summary>CV² of importance and of the smooth load (Shazeer et al. 2017), λ as the other losses have it here.</summary>
    private static TrainerOptions ImportanceAndLoad(TrainerOptions options, long steps) => options with
    {
        Lambda = 0,
        Terms = [new BalanceTerm(new ImportanceLoss(), 0.01), new BalanceTerm(new SmoothLoadLoss(), 0.01)],
    };

    /// <summary>The same in the conventions of V-MoE.</summary>
    private static TrainerOptions ImportanceAndLoadOfVMoE(TrainerOptions options, long steps) => options with
    {
        Lambda = 0,
        Terms = [new BalanceTerm(new ImportanceLoss(ImportanceOptions.VMoE), 0.01), new BalanceTerm(new SmoothLoadLoss(SmoothLoadOptions.VMoE), 0.01)],
    };

    /// <summary>The usual balance, and a router z-loss (ST-MoE).</summary>
    private static TrainerOptions ZLoss(TrainerOptions options, long steps) => options with { Terms = [new BalanceTerm(new RouterZLoss(), 0.001)] };

    /// <summary>Soft at first, hard at the end: k falls from all experts to two over the first half.</summary>
    private static TrainerOptions DenseToSparse(TrainerOptions options, long steps) => options with
    {
        TopK = Schedule.Linear(Experts, TopK, Math.Max(1, steps / 2)),
        Temperature = Schedule.Exponential(2, 0.5, Math.Max(1, steps / 2)),
    };

    /// <summary>An L1 norm whose weight rises until two experts of eight are left for a token.</summary>
    private static TrainerOptions AdaptiveL1(TrainerOptions options, long steps) => options with
    {
        Lambda = 0,
        Terms = [new BalanceTerm(new ReluL1Loss(), 1e-8, new SparsityRule(TopK))],
    };

    /// <summary>No loss at all: the router balances itself, or its selection bias does.</summary>
    private static Func<TrainerOptions, long, TrainerOptions> WithoutLoss(SelectionBalancer? balancer = null) =>
        (options, _) => options with { Lambda = 0, SelectionBalancer = balancer };
}
