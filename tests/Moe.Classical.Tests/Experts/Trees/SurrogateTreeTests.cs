using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public class SurrogateTreeTests
{
    [Fact]
    public void It_finds_the_boxes_that_experts_answer_in()
    {
        using var scope = NewDisposeScope();
        var rows = rand(600, 2, dtype: ScalarType.Float64);
        var values = rows.data<double>().ToArray().Chunk(2).ToArray();
        var assignment = tensor(values.Select(row => row[1] > 0.7 ? 2L : row[0] > 0.4 ? 1 : 0).ToArray());

        var surrogate = SurrogateTree.Fit(rows, assignment, 4);
        var regions = surrogate.Regions(["time", "heat"]);

        surrogate.Fidelity.Should().BeGreaterThan(0.99);
        regions.Should().HaveCount(4);
        regions[2].Rules.Should().ContainSingle().Which.Condition.Should().MatchRegex("^heat > 0\\.(69|70)\\d*$");
        regions[1].Rules.Should().ContainSingle().Which.Condition.Should().MatchRegex("^heat <= 0\\.(69|70)\\d* and time > 0\\.(39|40)\\d*$");
        regions[3].Rules.Should().BeEmpty();
        regions.Sum(region => region.Share).Should().BeApproximately(1, 1e-12);
        regions.Take(3).Should().OnlyContain(region => region.Recall > 0.98 && region.Precision > 0.98);
        surrogate.Describe(["time", "heat"], ["line", "step", "curve", "idle"]).Should().Contain("curve: ").And.Contain("  heat > 0.").And.Contain("idle: 0");
        surrogate.ToString().Should().Contain("expert 2").And.Contain("x1 > 0.");
    }

    [Fact]
    public void Its_fidelity_is_the_weighted_share_of_rows_that_it_reproduces()
    {
        using var scope = NewDisposeScope();
        var rows = tensor([1.0, 2, 3, 4, 5]).reshape(-1, 1);
        var assignment = tensor([0L, 0, 1, 1, 0]);
        var weights = tensor([1.0, 1, 4, 3, 1]);

        var surrogate = SurrogateTree.Fit(rows, assignment, 2, new DecisionTreeOptions { MaxDepth = 1 }, weights);

        surrogate.Fidelity.Should().BeApproximately(0.9, 1e-12);
        surrogate.Regions()[0].Recall.Should().BeApproximately(2.0 / 3, 1e-12);
        surrogate.Regions()[0].Precision.Should().BeApproximately(1, 1e-12);
        surrogate.Regions()[1].Precision.Should().BeApproximately(7.0 / 8, 1e-12);
    }

    [Fact]
    public void Siblings_that_name_the_same_expert_are_one_rule()
    {
        using var scope = NewDisposeScope();
        var rows = tensor([1.0, 2, 3, 4, 5, 6, 7, 8]).reshape(-1, 1);

        // The split at 4.5 lowers the impurity, but names expert 0 on both sides.
        var surrogate = SurrogateTree.Fit(rows, tensor([0L, 0, 0, 0, 0, 1, 0, 1]), 2, new DecisionTreeOptions { MaxDepth = 1, MinLeafWeight = 4 });

        surrogate.Tree.Leaves.Should().Be(1);
        surrogate.Regions()[0].Rules.Should().ContainSingle().Which.Condition.Should().Be("always");
        surrogate.Fidelity.Should().BeApproximately(0.75, 1e-12);
    }

    [Fact]
    public void One_expert_answers_always_and_strangers_are_refused()
    {
        using var scope = NewDisposeScope();
        var rows = rand(5, 2);
        var surrogate = SurrogateTree.Fit(rows, zeros(5), 1);

        surrogate.Fidelity.Should().Be(1);
        surrogate.Regions().Should().ContainSingle().Which.Rules.Should().ContainSingle().Which.Condition.Should().Be("always");

        var stranger = () => SurrogateTree.Fit(rows, tensor([0.0, 0, 1, 0, 0]), 1);
        stranger.Should().Throw<ArgumentException>().WithMessage("*Row 2*is 1*");
        var none = () => SurrogateTree.Fit(rows, zeros(5), 0);
        none.Should().Throw<ArgumentOutOfRangeException>();
        surrogate.Invoking(it => it.Describe(null, ["a", "b"])).Should().Throw<ArgumentException>().WithMessage("*1 names*got 2*");
    }

    [Fact]
    public void Nothing_leaks()
    {
        using var scope = NewDisposeScope();
        var (rows, assignment) = (rand(50, 2), zeros(50));
        LiveTensors.After(() => SurrogateTree.Fit(rows, assignment, 2).Describe()).Should().Be(0);
    }
}
