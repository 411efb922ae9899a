using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public class RandomForestTests
{
    private static RandomForest Fitted(ResponseKind kind) =>
        new RandomForestLearner(new RandomForestOptions { Trees = 12 }).Fit(TreeData.Rows(1, 60, 4, kind), FitContext.Default);

    [Fact]
    public void It_obeys_the_contract_of_experts()
    {
        new ExpertContract(() => Fitted(ResponseKind.Class), ScalarType.Float64).Verify();
        new ExpertContract(() => Fitted(ResponseKind.Real), ScalarType.Float32).Verify();
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void It_comes_back_from_its_state(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var forest = Fitted(kind);
        var rows = rand(50, 4, dtype: ScalarType.Float64) * 10;
        RandomForest back;
        using (var state = forest.ToState())
            back = (RandomForest)StoredExperts.Read(state);

        TreeData.Answers(back, rows).Should().Equal(TreeData.Answers(forest, rows));
        back.OutOfSample().data<double>().ToArray().Should().Equal(forest.OutOfSample().data<double>().ToArray());
        (back.Kind, back.Trees, back.Leaves).Should().Be((kind, 12, forest.Leaves));
    }

    [Fact]
    public void What_a_caller_does_to_an_answer_is_the_callers_own_affair()
    {
        using var scope = NewDisposeScope();
        var forest = Fitted(ResponseKind.Real);
        var before = forest.OutOfSample().data<double>().ToArray();

        forest.OutOfSample().zero_();
        using (var state = forest.ToState())
            state.Tensors["out-of-bag"].zero_();

        forest.OutOfSample().data<double>().ToArray().Should().Equal(before);
    }

    [Fact]
    public void Many_rows_are_answered_as_few_are()
    {
        using var scope = NewDisposeScope();
        var forest = Fitted(ResponseKind.Class);
        var rows = rand(5000, 4, dtype: ScalarType.Float64) * 10;

        var together = forest.forward(rows);
        var apart = cat([.. rows.split(100).Select(forest.forward)]);

        together.Equals(apart).Should().BeTrue();
        together.sum(1).sub(1).abs().max().item<double>().Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Nothing_leaks_and_it_outlives_the_scope_it_was_fitted_in()
    {
        RandomForest forest;
        using (NewDisposeScope())
            forest = Fitted(ResponseKind.Class);
        using var rows = ones(3, 4);

        LiveTensors.After(() =>
        {
            forest.forward(rows).Dispose();
            forest.OutOfSample().Dispose();
            forest.ToState().Dispose();
        }).Should().Be(0);
        using var data = NewDisposeScope();
        var given = TreeData.Rows(1, 60, 4, ResponseKind.Class);
        LiveTensors.After(() => new RandomForestLearner(new RandomForestOptions { Trees = 3 }).Fit(given, FitContext.Default)).Should().Be(0);
    }
}
