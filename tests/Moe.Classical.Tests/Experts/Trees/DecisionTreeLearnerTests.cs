using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public class DecisionTreeLearnerTests
{
    // Laws of weights in full: no mass that is counted in mean weights.
    private static readonly DecisionTreeOptions Plain = new() { MinLeafWeight = 0, Smoothing = 0 };

    public static TheoryData<ResponseKind, ClassImpurity> Criteria => new()
    {
        { ResponseKind.Real, ClassImpurity.Gini },
        { ResponseKind.Class, ClassImpurity.Gini },
        { ResponseKind.Class, ClassImpurity.Entropy },
    };

    [Theory]
    [MemberData(nameof(Criteria))]
    public void It_grows_the_tree_that_trying_every_split_grows(ResponseKind kind, ClassImpurity impurity)
    {
        for (var seed = 0; seed < 120; seed++)
        {
            using var scope = NewDisposeScope();
            var random = new Random(seed);
            var (count, width, depth) = (random.Next(2, 25), random.Next(1, 4), random.Next(1, 7));

            // Few distinct values: many equal rows, many equally good splits.
            var inputs = TreeData.Numbers(random, count * width, r => r.Next(6));
            var response = TreeData.Numbers(random, count, r => r.Next(3));
            var weights = TreeData.Numbers(random, count, r => r.Next(1, 4));
            var minLeaf = random.Next(0, 3);
            var rows = inputs.Chunk(width).ToArray();
            var plain = new PlainTree(rows, response, weights, kind == ResponseKind.Real ? 0 : 3, impurity, minLeaf * weights.Average(), depth);

            var tree = new DecisionTreeLearner(new DecisionTreeOptions { MaxDepth = depth, MinLeafWeight = minLeaf, Impurity = impurity, Smoothing = 0 }).Fit(
                new FitData(TreeData.Matrix(inputs, width), kind == ResponseKind.Real ? Response.Real(tensor(response)) : Response.Class(tensor(response), 3), tensor(weights)),
                FitContext.Default);

            var asked = TreeData.Numbers(random, 40 * width, r => r.NextDouble() * 6);
            var expected = asked.Chunk(width).SelectMany(plain.Answer).ToArray();
            var answers = TreeData.Answers(tree, TreeData.Matrix(asked, width));
            answers.Zip(expected, (answer, wanted) => Math.Abs(answer - wanted)).Max().Should().BeLessThan(1e-12, "seed {0}", seed);
        }
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void Weights_times_a_number_change_nothing(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var weights = TreeData.Numbers(new Random(1), 200, random => 0.1 + random.NextDouble());
        var data = TreeData.Rows(1, 200, 3, kind, weights);
        var learner = new DecisionTreeLearner(new DecisionTreeOptions { MinLeafWeight = 3, MinSplitGain = 0.001, PruningPenalty = 0.001 });
        var expected = TreeData.Answers(learner.Fit(data, FitContext.Default), data.Inputs);

        foreach (var factor in new[] { 3.7, 1e-200, 1e200, 1e-310 })
        {
            var scaled = learner.Fit(data.WithWeights(tensor(weights.Select(weight => weight * factor).ToArray())), FitContext.Default);
            var answers = TreeData.Answers(scaled, data.Inputs);
            answers.Zip(expected, (answer, wanted) => Math.Abs(answer - wanted)).Max().Should().BeLessThan(1e-9, "factor {0}", factor);
        }
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void Rows_of_weight_0_are_rows_removed(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var weights = TreeData.Numbers(new Random(2), 150, random => random.Next(3));
        var data = TreeData.Rows(2, 150, 3, kind, weights);
        var kept = data.Select(tensor(Enumerable.Range(0, 150).Where(row => weights[row] > 0).Select(row => (long)row).ToArray()));
        var learner = new DecisionTreeLearner();

        var with = learner.Fit(data, FitContext.Default);
        var without = learner.Fit(kept, FitContext.Default);

        TreeData.Answers(with, data.Inputs).Should().Equal(TreeData.Answers(without, data.Inputs));
    }

    [Theory]
    [MemberData(nameof(Criteria))]
    public void A_row_of_weight_2_is_a_row_that_is_there_twice(ResponseKind kind, ClassImpurity impurity)
    {
        using var scope = NewDisposeScope();
        var weights = TreeData.Numbers(new Random(3), 120, random => random.Next(1, 4));
        var data = TreeData.Rows(3, 120, 2, kind, weights);
        var repeated = data.WithWeights(null).Select(tensor(Enumerable.Range(0, 120).SelectMany(row => Enumerable.Repeat((long)row, (int)weights[row])).ToArray()));
        var learner = new DecisionTreeLearner(Plain with { MinLeafShare = 0.03, MinSplitGain = 0.002, PruningPenalty = 0.002, Impurity = impurity });

        var weighted = TreeData.Answers(learner.Fit(data, FitContext.Default), data.Inputs);
        var twice = TreeData.Answers(learner.Fit(repeated, FitContext.Default), data.Inputs);

        weighted.Zip(twice, (one, other) => Math.Abs(one - other)).Max().Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData(ResponseKind.Real)]
    [InlineData(ResponseKind.Class)]
    public void Only_the_order_of_a_columns_values_matters(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(4, 150, 3, kind);
        var bent = new FitData(data.Inputs.exp(), data.Response);
        var learner = new DecisionTreeLearner(new DecisionTreeOptions { MinLeafWeight = 4 });

        TreeData.Answers(learner.Fit(bent, FitContext.Default), bent.Inputs).Should().Equal(TreeData.Answers(learner.Fit(data, FitContext.Default), data.Inputs));
    }

    [Fact]
    public void It_repeats_rows_that_differ_when_nothing_stops_it()
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(5, 100, 2, ResponseKind.Real);

        TreeData.Answers(new DecisionTreeLearner().Fit(data, FitContext.Default), data.Inputs).Should().Equal(data.Response.Values.data<double>().ToArray());
    }

    [Fact]
    public void It_finds_what_no_first_split_gains_from()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(TreeData.Matrix([0, 0, 0, 1, 1, 0, 1, 1], 2), Response.Class(tensor([0.0, 1, 1, 0]), 2));

        var tree = new DecisionTreeLearner(Plain).Fit(data, FitContext.Default);

        TreeData.Answers(tree, data.Inputs).Should().Equal(1, 0, 0, 1, 0, 1, 1, 0);
        tree.Leaves.Should().Be(4);
    }

    [Fact]
    public void Constant_columns_are_never_split()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(TreeData.Matrix([7, 1, 3, 7, 2, 3, 7, 3, 3, 7, 4, 3], 3), Response.Real(tensor([1.0, 1, 5, 6])));

        var tree = new DecisionTreeLearner().Fit(data, FitContext.Default);
        tree.Rules().SelectMany(rule => rule.Ranges).Should().OnlyContain(range => range.Column == 1);

        var still = new DecisionTreeLearner().Fit(new FitData(full(4, 2, 7.0, dtype: ScalarType.Float64), data.Response), FitContext.Default);
        still.Leaves.Should().Be(1);
        TreeData.Answers(still, zeros(1, 2, dtype: ScalarType.Float64)).Should().Equal(3.25);
    }

    [Fact]
    public void Rows_of_one_class_give_a_single_leaf_that_is_not_quite_sure()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(TreeData.Matrix([1, 2, 3, 4], 1), Response.Class(tensor([1.0, 1, 1, 1]), 2));

        var tree = new DecisionTreeLearner().Fit(data, FitContext.Default);

        tree.Leaves.Should().Be(1);
        tree.Depth.Should().Be(0);
        TreeData.Answers(tree, data.Inputs.narrow(0, 0, 1)).Should().Equal(0.5 / 5, 4.5 / 5);
    }

    [Fact]
    public void One_row_and_more_columns_than_rows_are_fitted()
    {
        using var scope = NewDisposeScope();
        var single = new DecisionTreeLearner().Fit(new FitData(ones(1, 3), Response.Real(tensor([4.5]))), FitContext.Default);
        TreeData.Answers(single, zeros(2, 3, dtype: ScalarType.Float64)).Should().Equal(4.5, 4.5);

        var wide = TreeData.Rows(6, 5, 40, ResponseKind.Real);
        TreeData.Answers(new DecisionTreeLearner().Fit(wide, FitContext.Default), wide.Inputs).Should().Equal(wide.Response.Values.data<double>().ToArray());
    }

    [Fact]
    public void Limits_are_kept()
    {
        using var scope = NewDisposeScope();
        var weights = TreeData.Numbers(new Random(7), 300, random => random.NextDouble());
        var data = TreeData.Rows(7, 300, 4, ResponseKind.Real, weights);
        DecisionTree Fit(DecisionTreeOptions options) => new DecisionTreeLearner(options).Fit(data, FitContext.Default);

        Fit(new() { MaxDepth = 3 }).Depth.Should().Be(3);
        Fit(new() { MaxDepth = 0 }).Leaves.Should().Be(1);
        Fit(new() { MinLeafWeight = 20 }).Rules().Min(rule => rule.Weight).Should().BeGreaterThanOrEqualTo((20 * weights.Average()) - 1e-9);
        Fit(new() { MinLeafShare = 0.2 }).Rules().Min(rule => rule.Weight).Should().BeGreaterThanOrEqualTo((0.2 * weights.Sum()) - 1e-9);
        Fit(new() { MinLeafShare = 0.2 }).Leaves.Should().BeInRange(2, 5);
        Fit(new() { MinSplitGain = 1 }).Leaves.Should().Be(1);
        Fit(new() { MinSplitGain = 0.05 }).Leaves.Should().BeInRange(2, 12);
    }

    [Fact]
    public void Pruning_finds_the_cheapest_cut_of_the_grown_tree()
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(8, 200, 2, ResponseKind.Real);
        var target = data.Response.Values.data<double>().ToArray();
        var variance = target.Select(value => Math.Pow(value - target.Average(), 2)).Sum();
        double[] penalties = [0, .. Enumerable.Range(0, 60).Select(step => Math.Pow(10, -5 + (step / 12.0))), 1];
        var trees = penalties.Select(penalty => new DecisionTreeLearner(new DecisionTreeOptions { PruningPenalty = penalty }).Fit(data, FitContext.Default)).ToArray();
        var risks = trees.Select(tree => TreeData.Answers(tree, data.Inputs).Zip(target, (answer, value) => (answer - value) * (answer - value)).Sum() / variance).ToArray();

        trees.Select(tree => tree.Leaves).Should().BeInDescendingOrder();
        trees[0].Leaves.Should().Be(200);
        trees[^1].Leaves.Should().Be(1);
        for (var chosen = 0; chosen < penalties.Length; chosen++)
        {
            // No cut that another penalty finds is cheaper by this one.
            var costs = trees.Select((tree, at) => risks[at] + (penalties[chosen] * tree.Leaves)).ToArray();
            costs[chosen].Should().BeLessThanOrEqualTo(costs.Min() + 1e-9, "of penalty {0}", penalties[chosen]);
        }
    }

    [Fact]
    public void Far_off_and_huge_numbers_do_not_drown_the_signal()
    {
        using var scope = NewDisposeScope();
        foreach (var (scale, shift) in new[] { (1e200, 0.0), (1e-200, 0), (1.0, 1e12), (1e305, 0) })
        {
            var data = new FitData(TreeData.Matrix([1, 2, 3, 4], 1), Response.Real(tensor([shift + scale, shift + scale, shift + (3 * scale), shift + (3 * scale)])));
            var tree = new DecisionTreeLearner().Fit(data, FitContext.Default);
            tree.Leaves.Should().Be(2);
            tree.Rules()[0].Ranges.Should().Equal(new TreeRange(0, double.NegativeInfinity, 2.5));
            TreeData.Answers(tree, data.Inputs).Should().Equal(data.Response.Values.data<double>().ToArray());
        }
        var far = new FitData(TreeData.Matrix([-1.7e308, 1.7e308], 1), Response.Real(tensor([0.0, 1])));
        TreeData.Answers(new DecisionTreeLearner().Fit(far, FitContext.Default), far.Inputs).Should().Equal(0, 1);
    }

    [Fact]
    public void Weights_too_small_to_matter_neither_make_leaves_nor_spoil_them()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(TreeData.Matrix([1, 2, 3, 4], 1), Response.Class(tensor([0.0, 0, 1, 0]), 2), tensor([1, 1, 1, 1e-15]));

        var tree = new DecisionTreeLearner(Plain).Fit(data, FitContext.Default);

        tree.Leaves.Should().Be(2);
        TreeData.Answers(tree, tensor([3.5]).reshape(1, 1))[1].Should().BeApproximately(1, 1e-12);
    }

    [Fact]
    public void Drawn_columns_depend_on_the_seed_alone()
    {
        using var scope = NewDisposeScope();
        var data = TreeData.Rows(9, 200, 6, ResponseKind.Real);
        var learner = new DecisionTreeLearner(new DecisionTreeOptions { MaxFeatures = 1, MinLeafWeight = 5 });
        double[] Answers(long seed) => TreeData.Answers(learner.Fit(data, new FitContext { Seed = seed }), data.Inputs);

        Answers(1).Should().Equal(Answers(1)).And.NotEqual(Answers(2));
    }

    [Fact]
    public void Bad_settings_and_responses_are_refused_with_their_values()
    {
        var bad = () => new DecisionTreeLearner(new DecisionTreeOptions
        {
            MaxDepth = -1,
            MinLeafWeight = double.NaN,
            MinLeafShare = 0.6,
            MinSplitGain = 2,
            PruningPenalty = -1,
            MaxFeatures = 0,
            Impurity = (ClassImpurity)9,
            Smoothing = -0.5,
        });
        bad.Should().Throw<ArgumentException>().WithMessage("*MaxDepth (-1)*MinLeafWeight (NaN)*MinLeafShare (0.6)*MinSplitGain (2)*PruningPenalty (-1)*MaxFeatures (0)*Impurity (9)*Smoothing (-0.5)*");

        using var scope = NewDisposeScope();
        var learner = new DecisionTreeLearner();
        learner.Takes(ResponseKind.Count).Should().BeFalse();
        learner.Invoking(it => it.Fit(new FitData(ones(2, 1), Response.Count(tensor([1.0, 2]))), FitContext.Default)).Should().Throw<ArgumentException>().WithMessage("*got Count*");
        learner.Invoking(it => it.Fit(TreeData.Rows(1, 50, 2, ResponseKind.Real), new FitContext { CancellationToken = new CancellationToken(true) }))
            .Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void It_reads_digits_about_as_well_as_a_tree_can()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels, fold) = Digits.Load();
        var (train, test) = (Digits.Rows(fold, 0, true), Digits.Rows(fold, 0, false));
        var all = new FitData(inputs, Response.Class(labels, 10));

        var tree = new DecisionTreeLearner().Fit(all.Select(train), FitContext.Default);

        var answers = tree.forward(inputs.index_select(0, test));
        TreeData.Accuracy(answers, labels.index_select(0, test)).Should().BeGreaterThan(0.8);
        TreeData.LogLoss(answers, labels.index_select(0, test)).Should().BeLessThan(2);
    }
}
