using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The load-balancing loss E · Σᵢ pᵢ · fᵢ, which is least when every expert gets the same (Fedus et al. 2021, eq. 4-6, without the
/// factor α; for K above 1 as GShard, Lepikhin et al. 2020, section 2.2).
/// </summary>
/// <remarks>
/// <para>fᵢ is the share of all assignments that went to expert i, before capacity dropped any, so that Σ f = 1 for every K; pᵢ is the mean
/// probability of expert i over the real tokens. 1 at perfect balance, E at full collapse onto one expert. Gradients flow through p only:
/// f counts, and has none. Padding counts in neither; a batch of nothing but padding gives 0. <see cref="LoadBalanceOptions"/> has the other conventions.</para>
/// <para>Scores that do not sum to 1 (sigmoid and others) are divided by their sum + 1e-20 (DeepSeek-V3, 2024, eq. 19).</para>
/// </remarks>
public sealed class LoadBalance : BalanceLoss
{
    private static readonly LoadBalance Default = new();

    /// <summary>Builds the loss.</summary>
    /// <param name="options">The convention; null for <see cref="LoadBalanceOptions.Switch"/>.</param>
    /// <exception cref="ArgumentException">Options contradict each other; the message lists all that do.</exception>
    public LoadBalance(LoadBalanceOptions? options = null)
    {
        Options = options ?? LoadBalanceOptions.Switch;
        Options.Validate(nameof(options));
    }

    /// <summary>The convention.</summary>
    public LoadBalanceOptions Options { get; }

    /// <inheritdoc/>
    public override string Name => "load_balance";

    /// <summary>The loss of one decision, by <see cref="LoadBalanceOptions.Switch"/>.</summary>
    /// <param name="decision">What a gate decided. Not disposed.</param>
    /// <returns>A scalar in the decision's type, on its device; 0 when every token is padding. The caller owns it.</returns>
    /// <exception cref="ObjectDisposedException">The decision has been disposed.</exception>
    public static Tensor Loss(RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(decision);
        TensorGuard.Alive(decision.Scores, nameof(decision));
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Default.Value(Default.SumsOf(decision)));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Layers are to be joined that differ in E, or were not counted in <paramref name="batch"/>.</exception>
    /// <exception cref="ObjectDisposedException">A decision has been disposed.</exception>
    public override IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null)
    {
        ArgumentNullException.ThrowIfNull(layers);
        using var scope = NewDisposeScope();
        var sums = layers.Select(layer => SumsOf(layer, batch)).ToArray();
        if (Options.JoinLayers && sums.Length > 1)
            sums = [Joined(sums)];
        Tensor[] losses = [.. sums.Select(Value)];
        scope.MoveToOuter(losses);
        return losses;
    }

    /// <summary>What the loss is made of, over each of G groups of tokens: counts [G, E], Int64; scores [G, E]; tokens [G, 1].</summary>
    private readonly record struct Sums(Tensor Counts, Tensor Scores, Tensor Tokens);

    private Sums SumsOf(LayerRouting layer, GlobalBatch? batch)
    {
        TensorGuard.Alive(layer.Decision.Scores, nameof(layer));
        var sums = SumsOf(layer.Decision);
        return Options.GlobalCounts && batch is not null
            ? sums with { Counts = tensor(batch.Assigned(layer.Layer).ToArray(), device: sums.Counts.device).unsqueeze(0) }
            : sums;
    }

    private Sums SumsOf(RoutingDecision decision)
    {
        var groups = Options.Scope == TokenScope.Batch ? 1 : decision.TokenCount / decision.SequenceLength;
        var scores = ScoresOf(decision);
        var counts = ChoiceCounts.Of(decision, scores.detach(), Options.Counted, groups);
        var tokens = Options.Counted == CountedChoices.Kept
            ? counts.sum(1, keepdim: true).to(ScalarType.Float64) / decision.TopK
            : RealTokens.Count(decision, groups);
        return new Sums(counts, RealTokens.Sum(decision, scores, groups), tokens);
    }

    private Tensor ScoresOf(RoutingDecision decision)
    {
        if (Options.CleanScores)
            return decision.Logits.softmax(-1);
        return decision.ScoresSumToOne ? decision.Scores : decision.Scores / (decision.Scores.sum(dim: -1, keepdim: true) + 1e-20);
    }

    private static Sums Joined(Sums[] layers)
    {
        var experts = layers[0].Counts.size(1);
        if (layers.FirstOrDefault(layer => layer.Counts.size(1) != experts) is { Counts: { } other })
            throw new ArgumentException($"Expected layers of as many experts in order to join them, got {experts} and {other.size(1)}.", nameof(layers));
        return layers.Aggregate((left, right) => new Sums(left.Counts + right.Counts, left.Scores + right.Scores, left.Tokens + right.Tokens));
    }

    private Tensor Value(Sums sums)
    {
        // Where there is no token or no choice, the sums are 0, and so is the loss.
        var type = sums.Scores.dtype;
        var tokens = sums.Tokens.clamp_min(1);
        var whole = Options.TimesTopK || Options.Counted == CountedChoices.FirstKept ? tokens : sums.Counts.sum(1, keepdim: true).clamp_min(1);
        var f = sums.Counts.to(ScalarType.Float64) / whole;
        var p = sums.Scores / tokens.to(type);
        var byGroup = (p * f.to(type)).sum(dim: 1) * sums.Counts.size(1);
        return byGroup.size(0) == 1 ? byGroup.squeeze(0) : byGroup.sum() / sums.Tokens.gt(0).sum().clamp_min(1);
    }
}
