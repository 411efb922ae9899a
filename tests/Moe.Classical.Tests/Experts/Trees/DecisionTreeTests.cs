using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public class DecisionTreeTests
{
    private static DecisionTree Fitted(ResponseKind kind, int width = 4) =>
        new DecisionTreeLearner(new DecisionTreeOptions { MinLeafWeight = 3 }).Fit(TreeData.Rows(1, 60, width, kind), FitContext.Default);

    [Fact]
    public void It_obeys_the_contract_of_experts()
    {
        new ExpertContract(() => Fitted(ResponseKind.Class), ScalarType.Float64).Verify();
        new ExpertContract(() => Fitted(ResponseKind.Real), ScalarType.Float32).Verify();
    }

    [Fact]
    public void Its_rules_say_what_it_answers()
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(2, 80, 3, ResponseKind.Class);
        var tree = new DecisionTreeLearner(new DecisionTreeOptions { MinLeafWeight = 2 }).Fit(data, FitContext.Default);
        var rules = tree.Rules();
        var rows = data.Inputs.data<double>().ToArray().Chunk(3).ToArray();
        var answers = TreeData.Answers(tree, data.Inputs).Chunk(3).ToArray();
        var leaves = tree.LeafOf(data.Inputs).data<long>().ToArray();

        rules.Should().HaveCount(tree.Leaves).And.HaveCountGreaterThan(3);
        for (var row = 0; row < rows.Length; row++)
        {
            var fitting = rules.Where(rule => rule.Ranges.All(range => rows[row][range.Column] > range.Above && rows[row][range.Column] <= range.UpTo)).ToArray();
            fitting.Should().ContainSingle().Which.Should().BeSameAs(rules[(int)leaves[row]]);
            fitting[0].Answer.Should().Equal(answers[row]);
        }
        rules.Select((rule, leaf) => rule.Weight - leaves.Count(at => at == leaf)).Should().OnlyContain(apart => Math.Abs(apart) < 1e-9);
        tree.Depth.Should().BeGreaterThanOrEqualTo(rules.Max(rule => rule.Ranges.Count));
    }

    [Fact]
    public void Its_rules_can_be_read()
    {
        using var scope = NewDisposeScope();
        var inputs = TreeData.Matrix([0, 1, 1, 2, 2, 1, 3, 1, 2, 5, 3, 6], 2);
        var data = new FitData(inputs, Response.Class(tensor([0.0, 0, 1, 1, 2, 2]), 3), tensor([1.0, 1, 2, 2, 3, 3]));
        var tree = new DecisionTreeLearner().Fit(data, FitContext.Default);

        tree.Rules().Select(rule => rule.ToString()).Should().Equal(
            "x1 <= 3.5 and x0 <= 1.5 → 0 (weight 2)", "x1 <= 3.5 and x0 > 1.5 → 1 (weight 4)", "x1 > 3.5 → 2 (weight 6)");
        tree.Rules(["age", "size"])[1].Condition.Should().Be("size <= 3.5 and age > 1.5");
        tree.Invoking(it => it.Rules(["age"])).Should().Throw<ArgumentException>().WithMessage("*2 names*got 1*");

        var steps = new DecisionTreeLearner().Fit(new FitData(TreeData.Matrix([1, 2, 3], 1), Response.Real(tensor([1.0, 5, -2]))), FitContext.Default);
        steps.Rules().Select(rule => rule.ToString()).Should().Equal("x0 <= 1.5 → 1 (weight 1)", "1.5 < x0 <= 2.5 → 5 (weight 1)", "x0 > 2.5 → -2 (weight 1)");
        new DecisionTreeLearner(new DecisionTreeOptions { MaxDepth = 0 }).Fit(data, FitContext.Default).Rules()[0].Condition.Should().Be("always");
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void It_comes_back_from_its_state(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var tree = Fitted(kind);
        var rows = rand(50, 4, dtype: ScalarType.Float64) * 10;
        DecisionTree back;
        using (var state = tree.ToState())
            back = (DecisionTree)StoredExperts.Read(state);

        TreeData.Answers(back, rows).Should().Equal(TreeData.Answers(tree, rows));
        back.Rules().Select(rule => rule.ToString()).Should().Equal(tree.Rules().Select(rule => rule.ToString()));
        back.Kind.Should().Be(kind);
    }

    [Fact]
    public void A_damaged_state_is_refused()
    {
        using var scope = NewDisposeScope();
        static ExpertState State(int[] column, int[] child, double[] value) => new ExpertState("decision-tree")
            .Set("input-width", 2L).Set("output-width", 1).Set("kind", ResponseKind.Real)
            .Add("nodes", tensor(new[] { column.Length })).Add("leaves", tensor(new[] { 2 })).Add("column", tensor(column)).Add("threshold", zeros(column.Length, dtype: ScalarType.Float64))
            .Add("child", tensor(child)).Add("value", tensor(value)).Add("weight", ones(2, dtype: ScalarType.Float64));
        static Action Read(ExpertState state) => () => StoredExperts.Read(state);

        Read(State([1, -1, -1], [1, 0, 1], [1, 2])).Should().NotThrow();
        Read(State([2, -1, -1], [1, 0, 1], [1, 2])).Should().Throw<ArgumentException>("there is no column 2");
        Read(State([1, -1, -1], [0, 0, 1], [1, 2])).Should().Throw<ArgumentException>("a node is its own child");
        Read(State([1, -1, -1], [2, 0, 1], [1, 2])).Should().Throw<ArgumentException>("there is no node 3");
        Read(State([1, -1, -1], [1, 0, 2], [1, 2])).Should().Throw<ArgumentException>("there is no leaf 2");
        Read(State([1, -1, -1], [1, 0, 1], [1, 2, 3])).Should().Throw<ArgumentException>("there are 2 leaves");
    }

    [Fact]
    public void Nothing_leaks_and_it_outlives_the_scope_it_was_fitted_in()
    {
        DecisionTree tree;
        using (NewDisposeScope())
            tree = Fitted(ResponseKind.Real);
        using var rows = ones(3, 4);

        LiveTensors.After(() =>
        {
            tree.forward(rows).Dispose();
            tree.LeafOf(rows).Dispose();
            tree.ToState().Dispose();
        }).Should().Be(0);
        using var data = NewDisposeScope();
        var given = TreeData.Rows(1, 60, 4, ResponseKind.Class);
        LiveTensors.After(() => new DecisionTreeLearner().Fit(given, FitContext.Default)).Should().Be(0);
    }
}
