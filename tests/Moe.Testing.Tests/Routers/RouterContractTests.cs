using Moe.Core;

namespace Moe.Testing.Tests;

/// <summary>The contract lets right routers pass, and catches each wrong one by the law that is named for what is wrong.</summary>
public sealed class RouterContractTests
{
    public static TheoryData<RouterLaw> Laws { get; } = [.. RouterContract.Laws];

    public static TheoryData<string> Broken { get; } = [.. BrokenRouters.All.Keys];

    [Theory]
    [MemberData(nameof(Laws))]
    public void A_router_with_nothing_wrong_obeys_every_law(RouterLaw law) => new RouterContract(c => new PlainRouter(c)).Check(law).Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Broken))]
    public void A_broken_router_is_caught_by_the_law_that_is_named_for_it(string what)
    {
        var (law, make) = BrokenRouters.All[what];

        var violations = new RouterContract(make).Check(law);

        violations.Should().NotBeEmpty("a router that {0} breaks {1}", what, law).And.OnlyContain(violation => violation.Law == $"{law}");
    }

    [Fact]
    public void Every_law_that_a_router_of_ones_own_can_break_is_shown_to_notice() =>
        // A batch without tokens and wrong input are refused by the base class, before a router of one's own is asked.
        BrokenRouters.All.Values.Select(broken => broken.Law).Distinct()
            .Should().BeEquivalentTo(RouterContract.Laws.Except([RouterLaw.NoTokensRefused, RouterLaw.WrongInputRefused]));

    [Fact]
    public void What_is_thrown_lists_law_conditions_and_what_was_seen()
    {
        var contract = new RouterContract(BrokenRouters.All["weighs a token with NaN"].Make);

        contract.Invoking(c => c.Verify(RouterLaw.FiniteWeights)).Should().Throw<ContractException>()
            .WithMessage("1 law is broken:*- FiniteWeights (E = 5, Float32, seed 1, tokens [2, 4, 6] of Float32, evaluation, K = 2): weight 0 of token * is NaN*times more.*")
            .Which.Violations.Should().Contain(violation => violation.Case.Contains("training", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ignores forced choices", "forced to *, tokens are sent to *: obey RouterInput.Forced, or refuse it with an ArgumentException")]
    [InlineData("says that sigmoids sum to 1", "the scores of token * sum to *, although ScoresSumToOne is true")]
    public void What_is_seen_says_what_to_change(string what, string seen)
    {
        var (law, make) = BrokenRouters.All[what];

        new RouterContract(make).Check(law).Should().OnlyContain(violation => violation.Seen != "").And.Subject.First().Seen.Should().Match(seen);
    }

    [Fact]
    public void All_laws_together_report_each_that_is_broken()
    {
        var contract = new RouterContract(BrokenRouters.All["looks ahead and does not say so"].Make);

        var broken = contract.Invoking(c => c.Verify()).Should().Throw<ContractException>().Which.Violations.Select(violation => violation.Law).Distinct();

        broken.Should().BeEquivalentTo("PaddingIsAbsent", "HonestCausality");
    }

    [Fact]
    public void Parameters_without_gradient_must_be_there()
    {
        var options = new RouterContractOptions { WithoutGradient = new Dictionary<string, string> { ["bias"] = "It has none." } };

        new RouterContract(c => new PlainRouter(c), options).Check(RouterLaw.GradientsArrive)
            .Should().NotBeEmpty().And.OnlyContain(violation => violation.Seen == "WithoutGradient names bias, which the router does not have");
    }

    [Fact]
    public void A_parameter_that_is_excused_may_stay_without_gradient()
    {
        var options = new RouterContractOptions { WithoutGradient = new Dictionary<string, string> { ["weight"] = "It is cut off on purpose." } };

        new RouterContract(BrokenRouters.All["cuts the gradient off"].Make, options).Check(RouterLaw.GradientsArrive).Should().BeEmpty();
    }

    [Fact]
    public void A_router_that_draws_in_evaluation_mode_may_say_so()
    {
        var options = new RouterContractOptions { DeterministicEvaluation = false };
        var contract = new RouterContract(BrokenRouters.All["draws in evaluation mode"].Make, options);

        contract.Check(RouterLaw.DeterministicEvaluation).Should().BeEmpty();
        contract.Check(RouterLaw.PaddingIsAbsent).Should().BeEmpty();
    }

    [Fact]
    public void Experts_are_as_many_as_the_options_allow()
    {
        var asked = new HashSet<int>();
        var options = new RouterContractOptions { MinimumExperts = 4, ExpertMultiple = 3 };

        new RouterContract(
            c =>
            {
                asked.Add(c.ExpertCount);
                return new PlainRouter(c);
            },
            options).Check(RouterLaw.DistinctExperts).Should().BeEmpty();

        asked.Should().Equal(6);
    }

    [Fact]
    public void A_factory_that_makes_something_else_is_told_so()
    {
        new RouterContract(_ => null!).Check(RouterLaw.OneToken).Should().OnlyContain(violation => violation.Seen.Contains("The factory made null.", StringComparison.Ordinal));
        new RouterContract(c => new GatingNetwork(new() { InputWidth = c.InputWidth, ExpertCount = c.ExpertCount + 1, TopK = 1 }))
            .Check(RouterLaw.OneToken).Should().OnlyContain(violation => violation.Seen.Contains("was asked for D = 6 and E = ", StringComparison.Ordinal));
    }

    [Fact]
    public void Options_are_refused_as_a_whole()
    {
        var bad = new RouterContractOptions
        {
            InputWidth = 0,
            MinimumExperts = 0,
            ExpertMultiple = 0,
            VocabularySize = 0,
            Seeds = [],
            WithoutGradient = new Dictionary<string, string> { ["weight"] = " " },
        };

        FluentActions.Invoking(() => new RouterContract(c => new PlainRouter(c), bad)).Should().Throw<ArgumentException>().WithMessage(
            "RouterContractOptions is not valid: InputWidth (0) must be at least 1. MinimumExperts (0) * ExpertMultiple (0) * VocabularySize (0) * WithoutGradient must give a reason * Seeds (none) *");
        FluentActions.Invoking(() => new RouterContract(null!)).Should().Throw<ArgumentNullException>();
        new RouterContract(c => new PlainRouter(c)).Invoking(c => c.Check((RouterLaw)99)).Should().Throw<ArgumentException>().WithMessage("Expected one of DistinctExperts, *, got 99.*");
    }
}
