using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What a router or a rule of a user's own gets wrong is refused before anything is done by it.</summary>
public sealed class RouterTests
{
    [Theory]
    [InlineData(4, false)]
    [InlineData(-1, false)]
    [InlineData(long.MaxValue, true)]
    public void A_router_that_names_experts_that_are_not_there_is_refused(long expert, bool crowded)
    {
        using var scope = NewDisposeScope();
        using var router = new Proposing(indices: zeros(3, 2, dtype: ScalarType.Int64).index_fill(1, tensor(new[] { 1L }), expert), crowded ? Crowded : null);
        var x = Make.Normal(1, 3, 4);

        router.Invoking(r => r.Route(x)).Should().Throw<InvalidOperationException>()
            .WithMessage("Proposing must choose among the experts 0 to 3, but 3 of 3 × 2 choices (tokens × K) are none of them.");
        router.Indices = tensor(new long[] { 0, 1, 2, 3, 3, 0 }).reshape(3, 2);
        router.Route(x).Load.Sum().Should().BePositive("it works on once it names experts that are there");
    }

    [Fact]
    public void What_is_not_meant_may_name_anything()
    {
        using var scope = NewDisposeScope();
        using var router = new Proposing(tensor(new long[] { 0, 1, 1, 2, 0, 0 }).reshape(3, 2), Crowded) { Chosen = Make.Mask(1, 1, 1, 0, 0, 0).reshape(3, 2) };

        router.Route(Make.Normal(1, 3, 4)).Assigned.Should().Equal(1, 2, 0, 0);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(-3)]
    public void A_rule_that_names_experts_that_are_not_there_is_refused(long expert)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 1) with { Selection = new Always(expert) });

        gate.Invoking(g => g.Route(Make.Normal(1, 5, 4))).Should().Throw<InvalidOperationException>()
            .WithMessage("GatingNetwork must choose among the experts 0 to 3, but 5 of 5 × 1 choices (tokens × K) are none of them.");
    }

    [Fact]
    public void A_table_that_names_experts_that_are_not_there_is_refused()
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options(topK: 1) with { Selection = new TableSelection { VocabularySize = 3 } }, dtype: ScalarType.Float64);
        using (no_grad())
            gate.Table!.copy_(tensor(new long[] { 0, 4, 2 }).reshape(3, 1));
        var ids = tensor(new long[] { 0, 1, 2, 1 });

        gate.Invoking(g => g.Route(Make.Normal(1, 4, 4), new RoutingContext { TokenIds = ids })).Should().Throw<InvalidOperationException>()
            .WithMessage("GatingNetwork must choose among the experts 0 to 3, but 2 of 4 × 1 choices (tokens × K) are none of them.");
    }

    [Fact]
    public void A_capacity_of_a_users_own_router_is_validated()
    {
        using var scope = NewDisposeScope();
        using var router = new Proposing(zeros(3, 2, dtype: ScalarType.Int64), new CapacityOptions { Factor = double.NaN, MultipleOf = 0 });

        router.Invoking(r => r.Route(Make.Normal(1, 3, 4))).Should().Throw<ArgumentException>()
            .WithMessage("CapacityOptions is not valid: Capacity.Factor (NaN) must be finite, or null. Capacity.MultipleOf (0) must be at least 1.*");
    }

    [Fact]
    public void A_rule_of_a_users_own_chooses()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 1) with { Selection = new Always(2) });

        gate.Route(Make.Normal(1, 5, 4)).Load.Should().Equal(0, 0, 5, 0);
    }

    private static readonly CapacityOptions Crowded = new() { Factor = 1, Overflow = Overflow.Probability };

    private sealed record Always(long Expert) : SelectionRule
    {
        public override Selected Choose(SelectionInput input) => new(full([input.Keys.size(0), 1], Expert, dtype: ScalarType.Int64));
    }

    private sealed class Proposing(Tensor indices, CapacityOptions? capacity) : Router(nameof(Proposing), 4, 4)
    {
        public Tensor Indices { get; set; } = indices;

        public Tensor? Chosen { get; init; }

        public override bool IsCausal => true;

        public override CapacityOptions? Capacity => capacity;

        protected internal override RoutingProposal Propose(RouterInput input) => new()
        {
            Logits = zeros(3, 4, dtype: ScalarType.Float64),
            Scores = full([3, 4], 0.25, dtype: ScalarType.Float64),
            Indices = Indices.clone(),
            Weights = full([3, 2], 0.5, dtype: ScalarType.Float64),
            Chosen = Chosen?.clone(),
        };
    }
}
