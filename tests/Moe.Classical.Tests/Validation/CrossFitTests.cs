using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class CrossFitTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void No_row_is_answered_by_an_expert_that_saw_it(int atOnce)
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(30, 1);
        using var result = CrossFit.Run(new Memoriser(), data, Folds.Random(30, 4), new() { FitsAtOnce = atOnce });

        result.Predictions.data<double>().ToArray().Should().OnlyContain(value => value == 1e6);
    }

    [Fact]
    public void Each_fold_is_a_fit_to_the_other_rows()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(30, 1).WithWeights(rand(30, dtype: ScalarType.Float64));
        var folds = Folds.Random(30, 3);
        using var result = CrossFit.Run(new LinearLearner(), data, folds, new() { AllowOutOfSample = false, KeepExperts = true });

        result.Experts.Should().HaveCount(3);
        for (var fold = 0; fold < 3; fold++)
        {
            var expert = new LinearLearner().Fit(data.Select(folds.TrainRows(fold)), FitContext.Default);
            var expected = expert.forward(data.Inputs.index_select(0, folds.TestRows(fold)));
            result.Predictions.index_select(0, folds.TestRows(fold)).sub(expected).abs().max().item<double>().Should().BeLessThan(1e-10);
        }
    }

    [Fact]
    public void An_expert_that_can_answer_out_of_sample_is_fitted_once_if_allowed()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(20, 1);
        using var result = CrossFit.Run(new LinearLearner(), data, Folds.Random(20, 4));
        using var each = CrossFit.Run(new LinearLearner(), data, Folds.Random(20, 20), new() { AllowOutOfSample = false });

        result.FullFit.Should().BeOfType<LinearModel>();
        result.Predictions.sub(each.Predictions).abs().max().item<double>().Should().BeLessThan(1e-10, "leaving one out in closed form is leaving one out");
    }

    [Theory]
    [InlineData(true, true, 1)]
    [InlineData(true, false, 4)]
    [InlineData(false, true, 4)]
    public void Nothing_is_fitted_in_vain(bool says, bool allowed, int fits)
    {
        using var scope = NewDisposeScope();
        var learner = new CountingLearner(new LinearLearner()) { AnswersOutOfSample = says };
        using var result = CrossFit.Run(learner, Rows.Linear(20, 1), Folds.Random(20, 4), new() { AllowOutOfSample = allowed });

        learner.Fits.Should().Be(fits);
        (result.FullFit is not null).Should().Be(fits == 1);
    }

    [Fact]
    public void A_learner_that_promises_what_its_experts_cannot_do_is_named()
    {
        using var scope = NewDisposeScope();
        var learner = new CountingLearner(new Memoriser()) { AnswersOutOfSample = true };
        FluentActions.Invoking(() => CrossFit.Run(learner, Rows.Linear(20, 1), Folds.Random(20, 4))).Should().Throw<InvalidOperationException>().WithMessage("*\"memoriser\"*Memory is no IOutOfSample*");
    }

    [Fact]
    public void It_can_be_cancelled_and_says_what_does_not_fit()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(10, 1);
        var folds = Folds.Given([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        FluentActions.Invoking(() => CrossFit.Run(new Memoriser(), data, folds, context: new() { CancellationToken = new(true) })).Should().Throw<OperationCanceledException>();
        FluentActions.Invoking(() => CrossFit.Run(new Memoriser(), data, Folds.Random(9, 3))).Should().Throw<ArgumentException>().WithMessage("*10 rows, got 9*");
        FluentActions.Invoking(() => CrossFit.Run(new Memoriser(), data, folds, new() { FitsAtOnce = 0 })).Should().Throw<ArgumentException>().WithMessage("*FitsAtOnce is 0*");
        var half = data.WithWeights(tensor(new double[] { 1, 1, 1, 1, 1, 0, 0, 0, 0, 0 }));
        FluentActions.Invoking(() => CrossFit.Run(new Memoriser(), half, folds)).Should().Throw<ArgumentException>().WithMessage("Without fold 0*weight 0*");
    }

    [Fact]
    public void It_leaves_nothing_but_its_result()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(20, 1);
        LiveTensors.After(() => CrossFit.Run(new LinearLearner(), data, Folds.Random(20, 4), new() { AllowOutOfSample = false }).Dispose()).Should().Be(0);
    }
}
