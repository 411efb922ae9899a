using Microsoft.ML;
using Moe.Classical;
using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests.Learners;

public class MLNetLearnerTests
{
    public static TheoryData<string, ResponseKind> Cases
    {
        get
        {
            var cases = new TheoryData<string, ResponseKind>();
            foreach (var learner in Problems.Learners)
            {
                cases.Add(learner.Name, ResponseKind.Real);
                cases.Add(learner.Name, ResponseKind.Class);
            }
            return cases;
        }
    }

    public static TheoryData<string, ResponseKind> WeightedCases
    {
        get
        {
            var cases = new TheoryData<string, ResponseKind>();
            foreach (var learner in Problems.Learners.Where(learner => learner.Weights == WeightSupport.Native))
            {
                cases.Add(learner.Name, ResponseKind.Real);
                cases.Add(learner.Name, ResponseKind.Class);
            }
            return cases;
        }
    }

    public static TheoryData<string> WeightedNames => [.. Problems.Learners.Where(learner => learner.Weights == WeightSupport.Native).Select(learner => learner.Name)];

    public static TheoryData<string> Names => [.. Problems.Learners.Select(learner => learner.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Learns_and_answers_a_batch_as_it_answers_row_by_row(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var expert = Problems.Fit(Problems.Named(name), Problems.Of(kind));
        var fresh = Problems.Of(kind, 100);

        var together = Problems.Answer(expert, fresh.Inputs);
        var alone = Enumerable.Range(0, 100).SelectMany(row => Problems.Answer(expert, fresh.Inputs.narrow(0, row, 1))).ToArray();

        expert.OutputWidth.Should().Be(fresh.Response.Width);
        together.Should().Equal(alone);
        expert.forward(fresh.Inputs.narrow(0, 0, 0)).shape.Should().Equal(0, expert.OutputWidth);
        var y = Problems.Numbers(fresh.Response.Values);
        if (kind == ResponseKind.Class)
        {
            var answers = together.Chunk(3).ToArray();
            answers.Should().OnlyContain(row => Math.Abs(row.Sum() - 1) < 1e-9 && row.Min() >= 0);
            answers.Zip(y, (row, label) => row[(int)label] == row.Max() ? 1.0 : 0).Average().Should().BeGreaterThan(0.6);
        }
        else
        {
            var spread = y.Select(value => Math.Pow(value - y.Average(), 2)).Average();
            together.Zip(y, (answer, value) => Math.Pow(answer - value, 2)).Average().Should().BeLessThan(name == "sdca" ? 0.9 * spread : 0.5 * spread);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_same_rows_and_seed_give_the_same_model(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var data = Problems.Of(kind, weights: Problems.Named(name).Weights == WeightSupport.Native ? Problems.Rows(300, 9).select(1, 0).abs() : null);

        var first = Problems.Answer(Problems.Fit(Problems.Named(name), data, 7), data.Inputs);
        var second = Problems.Answer(Problems.Fit(Problems.Named(name), data, 7), data.Inputs);

        second.Should().Equal(first);
    }

    [Theory]
    [MemberData(nameof(WeightedCases))]
    public void Rows_of_weight_zero_are_as_rows_that_are_not_there(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var weights = Problems.Rows(300, 9).select(1, 0).clamp_min(0).contiguous();
        var data = Problems.Of(kind, weights: weights);
        var kept = Enumerable.Range(0, 300).Where(row => Problems.Numbers(weights)[row] > 0).Select(row => (long)row).ToArray();

        var zeros = Problems.Answer(Problems.Fit(Problems.Named(name), data), data.Inputs);
        var removed = Problems.Answer(Problems.Fit(Problems.Named(name), data.Select(tensor(kept))), data.Inputs);

        kept.Length.Should().BeInRange(100, 200);
        zeros.Should().Equal(removed);
    }

    [Theory]
    [MemberData(nameof(WeightedCases))]
    public void Weights_of_another_scale_give_the_same_model(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var weights = Problems.Rows(300, 9).select(1, 0).abs().contiguous();
        var data = Problems.Of(kind, weights: weights);

        var one = Problems.Answer(Problems.Fit(Problems.Named(name), data), data.Inputs);
        var scaled = Problems.Answer(Problems.Fit(Problems.Named(name), data.WithWeights(weights * 0.0078125)), data.Inputs);

        scaled.Should().Equal(one);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Equal_weights_are_none(string name)
    {
        using var scope = NewDisposeScope();
        var data = Problems.Regression();

        Problems.Answer(Problems.Fit(Problems.Named(name), data.WithWeights(full(300, 0.3, dtype: ScalarType.Float64))), data.Inputs)
            .Should().Equal(Problems.Answer(Problems.Fit(Problems.Named(name), data), data.Inputs));
    }

    [Theory]
    [MemberData(nameof(WeightedNames))]
    public void Weights_focus_the_fit(string name)
    {
        using var scope = NewDisposeScope();
        var data = Problems.Regression();
        var left = Problems.Numbers(data.Inputs.select(1, 0)).Select(x => x < 0).ToArray();
        var weights = tensor(left.Select(isLeft => isLeft ? 1 : 0.01).ToArray());

        double Error(IExpert expert) => Problems.Answer(expert, data.Inputs).Zip(Problems.Numbers(data.Response.Values), (a, y) => (a - y) * (a - y))
            .Where((_, row) => left[row]).Average();
        var flat = Error(Problems.Fit(Problems.Named(name), data));
        var focused = Error(Problems.Fit(Problems.Named(name), data.WithWeights(weights)));

        focused.Should().BeLessThan(0.99 * flat);
    }

    [Fact]
    public void Weights_decide_between_classes()
    {
        using var scope = NewDisposeScope();
        var random = new Random(5);
        var rows = Problems.Rows(300);
        var labels = Problems.Numbers(rows.select(1, 0)).Select(x => random.NextDouble() < 0.4 ? random.Next(3) : (double)Problems.Third(x)).ToArray();
        var data = new FitData(rows, Response.Class(tensor(labels), 3));
        var weights = tensor(labels.Select(label => label == 2 ? 20.0 : 0.05).ToArray());
        foreach (var name in new[] { "fast-tree", "fast-forest", "light-gbm", "sdca" })
        {
            double Share(IExpert expert) => Problems.Answer(expert, data.Inputs).Chunk(3).Average(row => row[2]);
            Share(Problems.Fit(Problems.Named(name), data.WithWeights(weights))).Should().BeGreaterThan(Share(Problems.Fit(Problems.Named(name), data)) + 0.2, name);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Classes_that_no_row_has_get_the_probability_zero(string name)
    {
        using var scope = NewDisposeScope();
        var all = Problems.Classes(classes: 5);
        var labels = Problems.Numbers(all.Response.Values);
        var data = all.WithWeights(tensor(labels.Select(label => label == 1 ? 0.0 : 1).ToArray()));

        var answers = Problems.Answer(Problems.Fit(Problems.Named(name), data), data.Inputs).Chunk(5).ToArray();

        answers.Should().OnlyContain(row => row[1] == 0 && row[3] == 0 && row[4] == 0 && Math.Abs(row[0] + row[2] - 1) < 1e-9);
        answers.Where((_, row) => labels[row] != 1).Zip(labels.Where(label => label != 1), (row, label) => row[(int)label] > 0.5 ? 1.0 : 0).Average()
            .Should().BeGreaterThan(0.9);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void One_class_alone_is_refused(string name)
    {
        using var scope = NewDisposeScope();
        var data = new FitData(Problems.Rows(20), Response.Class(ones(20), 3));

        var fit = () => Problems.Fit(Problems.Named(name), data);

        fit.Should().Throw<ArgumentException>().WithMessage("*20 rows*class 1*at least 2 classes*");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Few_rows_and_constant_columns_are_answered_or_refused(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        foreach (var count in new[] { 1, 2, 5 })
        {
            var data = Problems.Of(kind, count);
            try
            {
                Problems.Answer(Problems.Fit(Problems.Named(name), data), data.Inputs).Should().OnlyContain(value => double.IsFinite(value));
            }
            catch (ArgumentException refusal)
            {
                refusal.Message.Should().NotBeEmpty();
            }
        }
        var some = Problems.Of(kind, 100);
        var constant = new FitData(full(100, 3, 2.5, dtype: ScalarType.Float64), some.Response);
        try
        {
            Problems.Answer(Problems.Fit(Problems.Named(name), constant), constant.Inputs).Should().OnlyContain(value => double.IsFinite(value));
        }
        catch (ArgumentException refusal)
        {
            refusal.Message.Should().Contain(name);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Experts_keep_the_contract(string name, ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var expert = Problems.Fit(Problems.Named(name), Problems.Of(kind, 60));

        new ExpertContract(() => expert, ScalarType.Float64).Verify();
        var rows = Problems.Rows(5);
        var data = Problems.Of(kind, 60);
        LiveTensors.After(() => Problems.Answer(expert, rows)).Should().Be(0);
        LiveTensors.After(() => Problems.Fit(Problems.Named(name), data)).Should().Be(0);
    }

    [Fact]
    public void Any_estimator_will_do_a_pipeline_too_that_asks_for_the_label()
    {
        using var scope = NewDisposeScope();
        var data = Problems.Classes();
        var learner = new MLNetLearner(
            "bayes",
            (context, columns) => context.Transforms.CopyColumns("Copy", columns.Label)
                .Append(context.MulticlassClassification.Trainers.LbfgsMaximumEntropy("Copy", columns.Features, columns.Weight)),
            new MLNetLearnerOptions { Responses = [ResponseKind.Class], OverfitsOwnRows = false });

        var answers = Problems.Answer(Problems.Fit(learner, data), data.Inputs).Chunk(3).ToArray();

        answers.Zip(Problems.Numbers(data.Response.Values), (row, label) => row[(int)label] == row.Max() ? 1.0 : 0).Average().Should().BeGreaterThan(0.8);
    }

    [Fact]
    public void What_an_estimator_cannot_do_is_said()
    {
        using var scope = NewDisposeScope();
        var data = Problems.Regression();
        var unweighted = new MLNetLearner("plain", (context, columns) => context.Regression.Trainers.FastTree(columns.Label, columns.Features),
            new MLNetLearnerOptions { Weights = WeightSupport.Resample });
        var broken = new MLNetLearner("broken", (context, _) => context.Regression.Trainers.FastTree("Nothing"));

        unweighted.Invoking(learner => Problems.Fit(learner, Problems.Classes())).Should().Throw<ArgumentException>().WithMessage("plain takes*Real, not Class*");
        unweighted.Invoking(learner => Problems.Fit(learner, data.WithWeights(Problems.Rows(300).select(1, 0).abs()))).Should().Throw<ArgumentException>().WithMessage("plain takes no weights*");
        broken.Invoking(learner => Problems.Fit(learner, data)).Should().Throw<ArgumentException>().WithMessage("broken could not be fitted to 300 rows*Nothing*");
        Problems.Named("gam").Invoking(learner => Problems.Fit(learner, data.WithWeights(Problems.Rows(300).select(1, 0).abs()))).Should().Throw<ArgumentException>().WithMessage("gam takes no weights*");
        broken.Takes(ResponseKind.Trials).Should().BeFalse();
        var beyond = new FitData(full(20, 3, 1e39, dtype: ScalarType.Float64), Response.Real(zeros(20)));
        unweighted.Invoking(learner => Problems.Fit(learner, beyond)).Should().Throw<ArgumentException>().WithMessage("*Float32*1E+39*");
    }

    [Fact]
    public void Options_are_checked()
    {
        var trees = () => MLNetLearner.FastTree(new MLNetTrees { Trees = 0, Leaves = 1, RowsPerLeaf = 0, LearningRate = double.NaN, Threads = 0 });
        var gam = () => MLNetLearner.Gam(new MLNetGam { Iterations = 0, Bins = 1, LearningRate = 2, Threads = 0 });
        var sdca = () => MLNetLearner.Sdca(new MLNetSdca { L2 = -1, L1 = double.NaN, Iterations = 0, Threads = 0 });
        var own = () => new MLNetLearner("x", (context, _) => context.Regression.Trainers.Sdca(), new MLNetLearnerOptions { Responses = [ResponseKind.Trials], OutputColumn = "" });

        trees.Should().Throw<ArgumentException>().WithMessage("*Trees is 0*Leaves is 1*RowsPerLeaf is 0*LearningRate is NaN*Threads is 0*");
        gam.Should().Throw<ArgumentException>().WithMessage("*Iterations is 0*Bins is 1*LearningRate is 2*Threads is 0*");
        sdca.Should().Throw<ArgumentException>().WithMessage("*L2 is -1*L1 is NaN*Iterations is 0*Threads is 0*");
        own.Should().Throw<ArgumentException>().WithMessage("*[Trials]*OutputColumn is empty*");
    }

    [Fact]
    public void A_cancelled_fit_does_not_begin()
    {
        using var scope = NewDisposeScope();
        var context = new FitContext { CancellationToken = new CancellationToken(true) };

        Problems.Named("fast-tree").Invoking(learner => learner.Fit(Problems.Regression(), context)).Should().Throw<OperationCanceledException>();
    }
}
