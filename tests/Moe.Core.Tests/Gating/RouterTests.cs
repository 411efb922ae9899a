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
    public void What_is_proposed_for_padding_is_ignored()
    {
        using var scope = NewDisposeScope();
        var named = tensor(new long[] { 0, 1, -1, 9, 2, 3 }).reshape(3, 2);
        using var router = new Proposing(named, Crowded);
        using var gate = Make.Gate(Make.Options() with { Selection = new Kept(named) });
        var mask = Make.Mask(1, 0, 1);

        foreach (var decision in new[] { router.Route(Make.Normal(1, 3, 4), mask), gate.Route(Make.Normal(1, 3, 4), mask) })
        {
            decision.Assigned.Should().Equal(1, 1, 1, 1);
            Compare.Longs(decision.Indices).Should().OnlyContain(expert => expert >= 0 && expert < 4, "who counts by them must not fail");
            new ImportanceLoss().Compute([new LayerRouting(gate, decision)]).Should().ContainSingle();
        }
    }

    [Fact]
    public void What_a_router_keeps_outlives_its_decisions()
    {
        using var scope = NewDisposeScope();
        using var router = new Keeping();
        var x = Make.Normal(1, 3, 4);

        router.Route(x).Dispose();
        using (var pass = new RoutingPass())
            pass.Add(router, router.Route(x));
        using (NewDisposeScope())
            router.Route(x);
        using var decision = router.Route(x, Make.Mask(1, 1, 0));

        router.Everything.Should().OnlyContain(tensor => !tensor.IsInvalid);
        decision.Logits.sum().backward();
        Compare.Doubles(router.Logits.grad!).Should().OnlyContain(slope => slope == 1, "an alias carries gradients");
        decision.Tensors.Should().NotContain(tensor => router.Everything.Any(kept => ReferenceEquals(kept, tensor)));
        LiveTensors.After(() => router.Route(x).Dispose()).Should().Be(0);
    }

    [Fact]
    public void What_a_rule_or_a_score_function_keeps_outlives_decisions()
    {
        using var scope = NewDisposeScope();
        var (indices, chosen, scores) = (zeros(3, 1, dtype: ScalarType.Int64), ones(3, 1, dtype: ScalarType.Bool), full([3, 4], 0.25, dtype: ScalarType.Float64));
        using var gate = Make.Gate(Make.Options(topK: 1) with { Selection = new Kept(indices, chosen), Score = new Same(scores) });

        gate.Route(Make.Normal(1, 3, 4)).Dispose();
        gate.Route(Make.Normal(1, 3, 4)).Load.Should().Equal(3, 0, 0, 0);

        new[] { indices, chosen, scores }.Should().OnlyContain(tensor => !tensor.IsInvalid);
    }

    [Fact]
    public void One_tensor_may_be_logits_and_scores()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Score = new Same(null) });
        var x = Make.Normal(1, 3, 4);
        using var decision = gate.Route(x);

        Compare.SameBits(decision.Scores, decision.Logits);
        LiveTensors.After(() => gate.Route(x).Dispose()).Should().Be(0);
    }

    /// <summary>What is refused, by what is said of it.</summary>
    private static readonly Dictionary<string, Action<Proposing>> Wrong = new()
    {
        ["Proposing must propose Logits of shape [3, 4], but gave [3, 5]."] = r => r.Logits = zeros(3, 5),
        ["Proposing must propose Logits of type Float32 or Float64, but gave Int64."] = r => r.Logits = zeros(3, 4, dtype: ScalarType.Int64),
        ["Proposing must propose Logits on device cpu, where the tokens are, but gave meta*"] = r => r.Logits = zeros(3, 4, device: META),
        ["Proposing must propose Indices of shape [3, 1], but gave [3]."] = r => r.Indices = zeros(3, dtype: ScalarType.Int64),
        ["Proposing must propose Indices of type Int64, but gave Int32."] = r => r.Indices = zeros(3, 2, dtype: ScalarType.Int32),
        ["Proposing must propose Weights of shape [3, 3], but gave [3, 2]."] = r => r.Indices = zeros(3, 3, dtype: ScalarType.Int64),
        ["Proposing must propose Chosen of type Bool, but gave Float32."] = r => r.Chosen = ones(3, 2),
        ["Proposing must propose Dispatch of shape [1, 3, 4], but gave [1, 3, 2]."] = r => r.Slots = new SlotMix(zeros(1, 3, 2), zeros(1, 3, 2), 1),
    };

    public static TheoryData<string> Refusals => [.. Wrong.Keys];

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_a_router_proposes_must_fit(string message)
    {
        using var scope = NewDisposeScope();
        using var router = new Proposing(zeros(3, 2, dtype: ScalarType.Int64), null);
        Wrong[message](router);

        router.Invoking(r => r.Route(Make.Normal(1, 3, 4))).Should().Throw<InvalidOperationException>().WithMessage(message);
    }

    [Fact]
    public void What_a_rule_or_a_score_function_gives_must_fit()
    {
        using var scope = NewDisposeScope();
        using var flat = Make.Gate(Make.Options() with { Selection = new Kept(zeros(3, dtype: ScalarType.Int64)) });
        using var narrow = Make.Gate(Make.Options() with { Selection = new Kept(zeros(3, 2, dtype: ScalarType.Int32)) });
        using var one = Make.Gate(Make.Options() with { Selection = new Kept(zeros(3, 2, dtype: ScalarType.Int64), ones(3, 1, dtype: ScalarType.Bool)) });
        using var few = Make.Gate(Make.Options() with { Score = new Same(zeros(3, 3)) });

        Refused(flat).WithMessage("Kept must propose Indices of shape [3, 1], but gave [3].");
        Refused(narrow).WithMessage("Kept must propose Indices of type Int64, but gave Int32.");
        Refused(one).WithMessage("Kept must propose Chosen of shape [3, 2], but gave [3, 1].");
        Refused(few).WithMessage("Same must propose Scores of shape [3, 4], but gave [3, 3].");

        static FluentAssertions.Specialized.ExceptionAssertions<InvalidOperationException> Refused(GatingNetwork gate) =>
            gate.Invoking(g => g.Route(Make.Normal(1, 3, 4))).Should().Throw<InvalidOperationException>();
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

    private sealed record Kept(Tensor Indices, Tensor? Chosen = null) : SelectionRule
    {
        public override Selected Choose(SelectionInput input) => new(Indices, Chosen);
    }

    /// <summary>Always the same scores, or the logits themselves.</summary>
    private sealed record Same(Tensor? Scores) : ScoreFunction("Same")
    {
        public override Tensor Score(Tensor logits) => Scores ?? logits;
    }

    /// <summary>Proposes tensors that it keeps, and its parameter.</summary>
    private sealed class Keeping : Router
    {
        public Keeping()
            : base(nameof(Keeping), 4, 4)
        {
            RegisterComponents();
            Proposal = new()
            {
                Logits = Logits,
                Scores = full([3, 4], 0.25, dtype: ScalarType.Float64),
                Indices = zeros(3, 1, dtype: ScalarType.Int64),
                Weights = ones(3, 1, dtype: ScalarType.Float64),
                Chosen = ones(3, 1, dtype: ScalarType.Bool),
                Perturbed = zeros(3, 4, dtype: ScalarType.Float64),
                NoiseDeviation = ones(3, 4, dtype: ScalarType.Float64),
                Slots = new SlotMix(zeros(1, 3, 4, dtype: ScalarType.Float64), zeros(1, 3, 4, dtype: ScalarType.Float64), 1),
            };
        }

        public TorchSharp.Modules.Parameter Logits { get; } = new(zeros(3, 4, dtype: ScalarType.Float64));

        public Tensor[] Everything =>
            [Logits, Proposal.Scores, Proposal.Indices, Proposal.Weights, Proposal.Chosen!, Proposal.Perturbed!, Proposal.NoiseDeviation!, Proposal.Slots!.Dispatch, Proposal.Slots.Combine];

        public override bool IsCausal => true;

        private RoutingProposal Proposal { get; }

        protected internal override RoutingProposal Propose(RouterInput input) => Proposal;
    }

    private sealed class Proposing(Tensor indices, CapacityOptions? capacity) : Router(nameof(Proposing), 4, 4)
    {
        public Tensor Logits { get; set; } = zeros(3, 4, dtype: ScalarType.Float64);

        public Tensor Indices { get; set; } = indices;

        public Tensor? Chosen { get; set; }

        public SlotMix? Slots { get; set; }

        public override bool IsCausal => true;

        public override CapacityOptions? Capacity => capacity;

        protected internal override RoutingProposal Propose(RouterInput input) => new()
        {
            Logits = Logits,
            Scores = full([3, 4], 0.25, dtype: ScalarType.Float64),
            Indices = Indices,
            Weights = full([3, 2], 0.5, dtype: ScalarType.Float64),
            Chosen = Chosen,
            Slots = Slots,
        };
    }
}
