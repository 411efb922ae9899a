using Moe.Testing;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Routers that call themselves not causal do look ahead: the trainer refuses none without need, and the law has eyes.</summary>
public sealed class CausalityTests
{
    public static TheoryData<string> LookingAhead { get; } =
        [.. BuiltInRouters.All.Values.Where(router => router.Options is { } options && !IsCausal(options)).Select(router => router.Name)];

    [Theory]
    [MemberData(nameof(LookingAhead))]
    public void A_router_that_looks_ahead_would_be_caught_if_it_denied_it(string name)
    {
        var options = BuiltInRouters.All[name].Options!;

        Caught(c => new Denying(new GatingNetwork(options with { InputWidth = c.InputWidth, ExpertCount = c.ExpertCount }, c.Generator, CPU, c.Type)), options.ExpertCount);
    }

    [Fact]
    public void So_would_a_router_that_mixes_all_tokens() =>
        Caught(c => new Denying(new SoftRouter(new() { InputWidth = c.InputWidth, ExpertCount = c.ExpertCount }, c.Generator, CPU, c.Type)), experts: 5);

    private static void Caught(Func<RouterContractCase, Router> make, int experts) =>
        new RouterContract(make, new RouterContractOptions { MinimumExperts = experts, VocabularySize = 11, Seeds = [1, 2, 3] })
            .Check(RouterLaw.HonestCausality).Should().NotBeEmpty();

    private static bool IsCausal(GatingOptions options)
    {
        using var gate = new GatingNetwork(options);
        return gate.IsCausal;
    }

    /// <summary>Routes as another router does, and says that it is causal.</summary>
    private sealed class Denying : Router
    {
        [ComponentName(Name = "router")]
        private readonly Router _router;

        public Denying(Router router)
            : base(nameof(Denying), router.InputWidth, router.ExpertCount)
        {
            _router = router;
            RegisterComponents();
        }

        public override bool IsCausal => true;

        public override int NullExpertCount => _router.NullExpertCount;

        public override CapacityOptions? Capacity => _router.Capacity;

        protected internal override RoutingProposal Propose(RouterInput input)
        {
            _router.Generator = Generator;
            return _router.Propose(input);
        }
    }
}
