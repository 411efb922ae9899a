using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet.Tests.Mixtures;

public class MixtureEstimatorTests
{
    private static readonly MLContext Context = Pipelines.Context;

    [Fact]
    public void A_mixture_of_lines_in_a_pipeline_answers_what_one_line_cannot()
    {
        var train = Pipelines.View(Pipelines.Samples());
        var test = Pipelines.View(Pipelines.Samples(seed: 4));
        var normal = Context.Transforms.NormalizeMeanVariance("Features", fixZero: false);

        var mixture = normal.Append(new MixtureEstimator(Pipelines.Learner)).Fit(train).Transform(test);
        var line = normal.Append(Context.Regression.Trainers.Sdca(new Microsoft.ML.Trainers.SdcaRegressionTrainer.Options { NumberOfThreads = 1 })).Fit(train).Transform(test);

        Context.Regression.Evaluate(mixture).RSquared.Should().BeGreaterThan(0.9);
        Context.Regression.Evaluate(line).RSquared.Should().BeLessThan(0.6);
    }

    [Fact]
    public void Classes_by_key_are_evaluated_by_MLNet_and_named_as_the_label_is()
    {
        var view = Context.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Pipelines.View(Pipelines.Samples())) is var keys
            ? keys.Transform(Pipelines.View(Pipelines.Samples())) : null!;
        var pipeline = new MixtureEstimator(new Halves.Learner(Problems.Named("fast-tree")), new MixtureEstimatorOptions { GateColumn = "Gates" })
            .Append(Context.Transforms.Conversion.MapKeyToValue("Answer", "PredictedLabel"));

        var answered = pipeline.Fit(view).Transform(view);

        Context.MulticlassClassification.Evaluate(answered).MacroAccuracy.Should().BeGreaterThan(0.95);
        Pipelines.Column<string>(answered, "Answer").Zip(Pipelines.Samples(), (answer, sample) => answer == sample.Name ? 1.0 : 0).Average().Should().BeGreaterThan(0.95);
        Pipelines.Column<float[]>(answered, "Score").Should().OnlyContain(row => row.Length == 3 && Math.Abs(row.Sum() - 1) < 1e-5);
        Pipelines.Column<float[]>(answered, "Gates").Zip(Pipelines.Samples(), (gates, sample) => Math.Abs(gates[1] - (1 / (1 + Math.Exp(-8 * sample.Features[0])))))
            .Should().OnlyContain(difference => difference < 1e-6);
        VBuffer<ReadOnlyMemory<char>> slots = default;
        answered.Schema["Score"].GetSlotNames(ref slots);
        slots.DenseValues().Select(slot => slot.ToString()).Should().BeEquivalentTo("low", "middle", "high");
    }

    [Fact]
    public void Boolean_labels_are_evaluated_by_MLNet()
    {
        var view = Pipelines.View(Pipelines.Samples());
        var answered = new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { LabelColumn = "Truth" }).Fit(view).Transform(view);

        var metrics = Context.BinaryClassification.Evaluate(answered, "Truth");

        metrics.Accuracy.Should().BeGreaterThan(0.95);
        metrics.AreaUnderRocCurve.Should().BeGreaterThan(0.99);
        Pipelines.Column<float>(answered, "Score").Zip(Pipelines.Column<float>(answered, "Probability"), (score, p) => Math.Abs((1 / (1 + Math.Exp(-score))) - p))
            .Should().OnlyContain(difference => difference < 1e-5);
    }

    [Fact]
    public void The_fit_sees_rows_labels_weights_and_token_as_they_are()
    {
        var samples = Pipelines.Samples(50);
        using var source = new CancellationTokenSource();
        var options = new MixtureEstimatorOptions { WeightColumn = "Weight", CancellationToken = source.Token };
        var seen = 0;
        var estimator = new MixtureEstimator(
            (data, cancellation) =>
            {
                seen++;
                cancellation.Should().Be(source.Token);
                Problems.Numbers(data.Inputs).Should().Equal(samples.SelectMany(sample => sample.Features).Select(number => (double)number));
                Problems.Numbers(data.Response.Values).Should().Equal(samples.Select(sample => (double)sample.Label));
                Problems.Numbers(data.Weights!).Should().Equal(samples.Select(sample => (double)sample.Weight));
                return Problems.Fit(Problems.Named("sdca"), data);
            },
            options);

        estimator.Fit(Pipelines.View(samples)).Expert.Should().BeOfType<MLNetExpert>();

        seen.Should().Be(1);
        LiveTensors.After(() => new MixtureEstimator(Pipelines.Learner, options).Fit(Pipelines.View(samples))).Should().Be(0);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_names_and_types()
    {
        var view = Pipelines.View(Pipelines.Samples(20));
        var infinite = Pipelines.Samples(20);
        infinite[7].Features[1] = float.NaN;
        var estimator = new MixtureEstimator(Pipelines.Learner);

        new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { FeatureColumn = "Nothing" }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>().WithMessage("*no column Nothing*Features*");
        new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { FeatureColumn = "Label" }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>().WithMessage("*Label holds Single*vector*");
        new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { LabelColumn = "Name" }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>().WithMessage("*Name holds String*a key*");
        new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { WeightColumn = "Name" }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>().WithMessage("*weight column Name*");
        new MixtureEstimator(Problems.Named("sdca"), new MixtureEstimatorOptions { GateColumn = "Gates" }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>().WithMessage("*Gates*IGatedExpert*");
        new MixtureEstimator(Problems.Named("sdca"), new MixtureEstimatorOptions { LabelIsCount = true }).Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>();
        estimator.Invoking(each => each.Fit(Pipelines.View(infinite))).Should().Throw<ArgumentException>().WithMessage("*Row 7, column 1*NaN*");
        estimator.Invoking(each => each.Fit(Context.Data.SkipRows(view, 20))).Should().Throw<ArgumentException>().WithMessage("*no rows*");
        Context.Transforms.CopyColumns("Vector", "Features").Append(new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { LabelColumn = "Name" }))
            .Invoking(each => each.Fit(view)).Should().Throw<ArgumentException>("the schema is checked before anything is fitted").WithMessage("*Name*");
        var fitted = estimator.Fit(view);
        fitted.Invoking(each => each.GetOutputSchema(new RowsView(0, [RowColumn.Vector("Features", [], 4)]).Schema)).Should().Throw<ArgumentException>().WithMessage("*Single, 4*3 numbers*");
        var options = () => new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { FeatureColumn = "", LabelColumn = " ", WeightColumn = "", GateColumn = "Score" });
        options.Should().Throw<ArgumentException>().WithMessage("*FeatureColumn*LabelColumn*WeightColumn*GateColumn is Score*");
    }

    [Fact]
    public void Missing_keys_are_refused()
    {
        var view = Pipelines.View(Pipelines.Samples(30));
        var keyed = Context.Transforms.Conversion.MapValueToKey("Label", "Name", keyData: Pipelines.View([new Sample { Name = "low" }, new Sample { Name = "high" }]) is var names
            ? Context.Transforms.SelectColumns("Name").Fit(names).Transform(names) : null).Fit(view).Transform(view);

        new MixtureEstimator(Pipelines.Learner).Invoking(each => each.Fit(keyed)).Should().Throw<ArgumentException>().WithMessage("*has no label*missing*");
    }
}
