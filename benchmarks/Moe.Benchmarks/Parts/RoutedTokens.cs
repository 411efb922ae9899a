using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>Tokens and which experts they go to, decided and planned once; the same in every run.</summary>
internal sealed class RoutedTokens : IDisposable
{
    private readonly AssignmentOrder _order;

    /// <param name="tokens">T.</param>
    /// <param name="width">D.</param>
    /// <param name="experts">E.</param>
    /// <param name="topK">K.</param>
    /// <param name="forced">Where they go, [T, K], Int64; null for where a fresh gate sends them.</param>
    private RoutedTokens(int tokens, int width, int experts, int topK, Tensor? forced)
    {
        random.manual_seed(1);
        using var noGrad = no_grad();
        using var gate = new GatingNetwork(new GatingOptions { InputWidth = width, ExpertCount = experts, TopK = topK });
        Tokens = randn(tokens, width);
        Decision = gate.Route(Tokens, new RoutingContext { ForcedIndices = forced });

        using var scope = NewDisposeScope();
        _order = AssignmentOrder.Of(Decision);
        TokenOfRow = _order.Assignments.div(topK, RoundingMode.floor);
        Plan = new FusedPlan(Decision, _order);
        foreach (var kept in new[] { _order.Assignments, _order.RowOf, TokenOfRow })
            kept.DetachFromDisposeScope();
    }

    /// <summary>[T, D], Float32.</summary>
    public Tensor Tokens { get; }

    public RoutingDecision Decision { get; }

    public FusedPlan Plan { get; }

    /// <summary>The token of each routed row, [M], Int64.</summary>
    public Tensor TokenOfRow { get; }

    /// <summary>Tokens that a fresh gate sends where it likes.</summary>
    public static RoutedTokens ByGate(int tokens, int width, int experts, int topK) => new(tokens, width, experts, topK, forced: null);

    /// <summary>Tokens of which each goes to one expert, and to each expert equally many, from all over the batch.</summary>
    public static RoutedTokens Evenly(int rowsAnExpert, int width, int experts)
    {
        random.manual_seed(2);
        using var order = randperm(rowsAnExpert * experts, dtype: ScalarType.Int64);
        using var expert = order.remainder(experts);
        using var forced = expert.unsqueeze(-1);
        return new(rowsAnExpert * experts, width, experts, topK: 1, forced);
    }

    public void Dispose()
    {
        _order.Assignments.Dispose();
        _order.RowOf.Dispose();
        TokenOfRow.Dispose();
        Decision.Dispose();
        Tokens.Dispose();
    }
}
