using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public class RandomForestLearnerTests
{
    [Fact]
    public void It_reads_digits_and_knows_out_of_bag_how_well()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels, fold) = Digits.Load();
        var (train, test) = (Digits.Rows(fold, 0, true), Digits.Rows(fold, 0, false));
        var data = new FitData(inputs, Response.Class(labels, 10)).Select(train);

        var forest = new RandomForestLearner(new RandomForestOptions { Trees = 60 }).Fit(data, FitContext.Default);

        var accuracy = TreeData.Accuracy(forest.forward(inputs.index_select(0, test)), labels.index_select(0, test));
        accuracy.Should().BeGreaterThanOrEqualTo(0.965);
        TreeData.Accuracy(forest.OutOfSample(), data.Response.Values).Should().BeApproximately(accuracy, 0.025);
        TreeData.LogLoss(forest.OutOfSample(), data.Response.Values).Should().BeLessThan(0.6);
    }

    [Fact]
    public void Out_of_bag_answers_are_honest_about_noise()
    {
        using var scope = NewDisposeScope();
        var random = new Random(3);
        var inputs = TreeData.Matrix(TreeData.Numbers(random, 400 * 5, r => r.NextDouble()), 5);
        var labels = tensor(TreeData.Numbers(random, 400, r => r.Next(2)));
        var forest = new RandomForestLearner().Fit(new FitData(inputs, Response.Class(labels, 2)), FitContext.Default);

        TreeData.Accuracy(forest.forward(inputs), labels).Should().BeGreaterThan(0.95);
        TreeData.Accuracy(forest.OutOfSample(), labels).Should().BeInRange(0.4, 0.6);
    }

    [Fact]
    public void Out_of_bag_answers_of_real_responses_err_as_new_rows_do()
    {
        using var scope = NewDisposeScope();
        var (data, fresh) = (TreeData.Rows(1, 400, 4, ResponseKind.Real), TreeData.Rows(2, 400, 4, ResponseKind.Real));
        var forest = new RandomForestLearner().Fit(data, FitContext.Default);
        static double Error(Tensor answers, FitData rows) => (answers.reshape(-1) - rows.Response.Values).pow(2).mean().sqrt().item<double>();

        var honest = Error(forest.OutOfSample(), data);
        honest.Should().BeApproximately(Error(forest.forward(fresh.Inputs), fresh), 0.15);
        Error(forest.forward(data.Inputs), data).Should().BeLessThan(0.6 * honest);
    }

    [Fact]
    public void One_tree_answers_the_rows_it_did_not_draw_and_falls_back_for_the_others()
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(4, 200, 2, ResponseKind.Real);
        var forest = new RandomForestLearner(new RandomForestOptions { Trees = 1 }).Fit(data, FitContext.Default);
        var mean = data.Response.Values.mean().item<double>();
        var answers = TreeData.Answers(forest, data.Inputs);
        var honest = forest.OutOfSample().data<double>().ToArray();

        var outside = honest.Count(value => Math.Abs(value - mean) > 1e-9);
        outside.Should().BeInRange(50, 95, "a share of 1/e is never drawn");
        honest.Zip(answers).Where(pair => Math.Abs(pair.First - mean) > 1e-9).Should().OnlyContain(pair => pair.First == pair.Second);
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void The_number_of_threads_changes_nothing(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(5, 300, 5, kind);
        var one = new RandomForestLearner(new RandomForestOptions { Trees = 80, MaxThreads = 1 }).Fit(data, new FitContext { Seed = 7 });
        var many = new RandomForestLearner(new RandomForestOptions { Trees = 80, MaxThreads = 4 }).Fit(data, new FitContext { Seed = 7 });
        var other = new RandomForestLearner(new RandomForestOptions { Trees = 80 }).Fit(data, new FitContext { Seed = 8 });

        TreeData.Answers(many, data.Inputs).Should().Equal(TreeData.Answers(one, data.Inputs)).And.NotEqual(TreeData.Answers(other, data.Inputs));
        many.OutOfSample().data<double>().ToArray().Should().Equal(one.OutOfSample().data<double>().ToArray());
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void Rows_of_weight_0_are_rows_removed_and_a_common_factor_is_nothing(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var weights = TreeData.Numbers(new Random(6), 120, random => random.Next(4));
        var data = TreeData.Rows(6, 120, 3, kind, weights);
        var kept = Enumerable.Range(0, 120).Where(row => weights[row] > 0).Select(row => (long)row).ToArray();
        var learner = new RandomForestLearner(new RandomForestOptions { Trees = 20 });
        var forest = learner.Fit(data, FitContext.Default);
        var without = learner.Fit(data.Select(tensor(kept)), FitContext.Default);
        var scaled = learner.Fit(data.WithWeights(tensor(weights.Select(weight => weight * 1024).ToArray())), FitContext.Default);

        var expected = TreeData.Answers(forest, data.Inputs);
        TreeData.Answers(without, data.Inputs).Should().Equal(expected);
        TreeData.Answers(scaled, data.Inputs).Should().Equal(expected);
        without.OutOfSample().data<double>().ToArray().Should().Equal(forest.OutOfSample().index_select(0, tensor(kept)).data<double>().ToArray());

        // Rows that no tree has drawn are answered by all.
        var unseen = tensor(Enumerable.Range(0, 120).Where(row => weights[row] == 0).Select(row => (long)row).ToArray());
        forest.OutOfSample().index_select(0, unseen).data<double>().ToArray().Should().Equal(TreeData.Answers(forest, data.Inputs.index_select(0, unseen)));
    }

    [Fact]
    public void Rows_are_drawn_in_proportion_to_their_weights()
    {
        var draw = new WeightedDraw([1, 0.5, 2, 0.5]);
        var draws = new DrawSequence(1, 0);
        var counts = new double[4];
        for (var time = 0; time < 10_000; time++)
        {
            var drawn = draw.Next(draws);
            drawn.Sum().Should().Be(4);
            counts = [.. counts.Zip(drawn, (sum, count) => sum + count)];
        }
        counts.Select(count => count / 40_000).Zip([0.25, 0.125, 0.5, 0.125], (share, wanted) => Math.Abs(share - wanted)).Max().Should().BeLessThan(0.01);
    }

    [Fact]
    public void One_class_one_row_and_constant_columns_give_safe_answers()
    {
        using var scope = NewDisposeScope();
        var learner = new RandomForestLearner(new RandomForestOptions { Trees = 9 });
        var sure = learner.Fit(new FitData(rand(20, 3), Response.Class(zeros(20), 2)), FitContext.Default);
        TreeData.Answers(sure, zeros(1, 3, dtype: ScalarType.Float64)).Should().Equal(9.5 / 10, 0.5 / 10);

        var single = learner.Fit(new FitData(ones(1, 2), Response.Real(tensor([4.0]))), FitContext.Default);
        TreeData.Answers(single, zeros(1, 2, dtype: ScalarType.Float64)).Should().Equal(4);
        single.OutOfSample().item<double>().Should().Be(4);

        var still = learner.Fit(new FitData(ones(30, 2), Response.Real(arange(30))), FitContext.Default);
        TreeData.Answers(still, ones(1, 2, dtype: ScalarType.Float64))[0].Should().BeInRange(10, 19);

        // One row has all the weight there is.
        var heavy = learner.Fit(new FitData(rand(10, 2), Response.Class(arange(10), 10), tensor([1e300, .. Enumerable.Repeat(1.0, 9)])), FitContext.Default);
        heavy.OutOfSample().isfinite().all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void Bad_settings_are_refused_with_their_values()
    {
        var bad = () => new RandomForestLearner(new RandomForestOptions
        {
            Trees = 0,
            MaxDepth = -1,
            MinLeafWeight = -2,
            MinLeafShare = 1,
            MaxFeatures = 0,
            Impurity = (ClassImpurity)5,
            Smoothing = double.PositiveInfinity,
            MaxThreads = 0,
        });
        bad.Should().Throw<ArgumentException>().WithMessage("*Trees (0)*MaxDepth (-1)*MinLeafWeight (-2)*MinLeafShare (1)*MaxFeatures (0)*Impurity (5)*Smoothing*MaxThreads (0)*");

        using var scope = NewDisposeScope();
        var learner = new RandomForestLearner();
        learner.Invoking(it => it.Fit(new FitData(ones(2, 1), Response.Count(tensor([1.0, 2]))), FitContext.Default)).Should().Throw<ArgumentException>().WithMessage("*got Count*");
        learner.Invoking(it => it.Fit(TreeData.Rows(1, 50, 2, ResponseKind.Real), new FitContext { CancellationToken = new CancellationToken(true) }))
            .Should().Throw<OperationCanceledException>();
    }
}
