using Microsoft.ML;
using Microsoft.ML.Data;
using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests.Storage;

public class MLNetStorageTests
{
    private static readonly MLContext Context = Pipelines.Context;

    public MLNetStorageTests() => Halves.Register();

    [Theory]
    [InlineData("fast-tree")]
    [InlineData("fast-forest")]
    [InlineData("light-gbm")]
    [InlineData("gam")]
    [InlineData("sdca")]
    public void Experts_come_back_from_a_file_as_they_were(string name)
    {
        using var scope = NewDisposeScope();
        MLNetStorage.Register();
        MLNetStorage.Register();
        var data = Problems.Classes(classes: 4);
        var expert = (IStoredExpert)Problems.Fit(Problems.Named(name), data);
        using var stream = new MemoryStream();

        using (var state = expert.ToState())
            ExpertFile.Write(stream, state);
        stream.Position = 0;
        using var stored = ExpertFile.Read(stream);
        var read = StoredExperts.Read(stored);

        read.Should().BeOfType<MLNetExpert>();
        Problems.Answer(read, data.Inputs).Should().Equal(Problems.Answer(expert, data.Inputs));
    }

    [Fact]
    public void A_damaged_state_is_refused()
    {
        using var scope = NewDisposeScope();
        MLNetStorage.Register();
        using var state = new ExpertState("mlnet").Add("model", tensor(new byte[] { 1, 2, 3 }));
        using var other = new ExpertState("mlnet").Add("model", zeros(3));

        FluentActions.Invoking(() => StoredExperts.Read(state)).Should().Throw<ArgumentException>().WithMessage("ML.NET cannot read the model*");
        FluentActions.Invoking(() => StoredExperts.Read(other)).Should().Throw<ArgumentException>().WithMessage("*Float32*Byte*");
    }

    [Fact]
    public void A_saved_pipeline_answers_the_same_when_plain_MLNet_loads_it()
    {
        var view = Pipelines.View(Pipelines.Samples());
        var model = Pipeline(new MixtureEstimatorOptions { GateColumn = "Gates" }).Fit(view);

        var loaded = new MLContext().Model.Load(Saved(model, view.Schema), out var schema);

        schema.Select(column => column.Name).Should().Contain("Features");
        Pipelines.Column<float>(loaded.Transform(view), "Score").Should().Equal(Pipelines.Column<float>(model.Transform(view), "Score"));
        Pipelines.Column<float[]>(loaded.Transform(view), "Gates").SelectMany(row => row).Should().Equal(Pipelines.Column<float[]>(model.Transform(view), "Gates").SelectMany(row => row));
        loaded.GetOutputSchema(view.Schema).Select(column => column.Name).Should().NotContain(name => name.StartsWith("moe.", StringComparison.Ordinal));
        using var engine = new MLContext().Model.CreatePredictionEngine<Sample, Answer>(loaded);
        engine.Predict(Pipelines.Samples()[3]).Score.Should().Be(Pipelines.Column<float>(model.Transform(view), "Score")[3]);
    }

    [Fact]
    public void A_loaded_model_gets_its_mixtures_back()
    {
        var view = Pipelines.View(Pipelines.Samples());
        var model = Pipeline(new MixtureEstimatorOptions { LabelColumn = "Truth" }).Fit(view);

        var restored = MLNetStorage.Load(new MLContext(), Saved(model, view.Schema), out _);

        ((IEnumerable<ITransformer>)restored).Last().Should().BeOfType<MixtureTransformer>().Which.Expert.Should().BeOfType<Halves>();
        foreach (var column in new[] { "Score", "Probability" })
            Pipelines.Column<float>(restored.Transform(view), column).Should().Equal(Pipelines.Column<float>(model.Transform(view), column));
        var plain = Context.Transforms.NormalizeMinMax("Features").Fit(view);
        MLNetStorage.Restore(plain).Should().BeSameAs(plain);
    }

    [Theory]
    [InlineData("Name")]
    [InlineData("Third")]
    public void Names_of_classes_are_saved_with_the_mixture(string label)
    {
        var samples = Pipelines.Samples();
        foreach (var sample in samples)
            sample.Label = 10 * (1 + Problems.Third(sample.Features[0]));
        var raw = Pipelines.View(samples);
        var view = Context.Transforms.Conversion.MapValueToKey("Key", label == "Name" ? "Name" : "Label").Fit(raw).Transform(raw);
        var model = new MixtureEstimator(new Halves.Learner(Problems.Named("fast-tree")), new MixtureEstimatorOptions { LabelColumn = "Key" })
            .Append(Context.Transforms.Conversion.MapKeyToValue("Answer", "PredictedLabel")).Fit(view);

        var loaded = new MLContext().Model.Load(Saved(model, view.Schema), out _);
        var restored = MLNetStorage.Restore(loaded);

        if (label == "Name")
        {
            Pipelines.Column<string>(loaded.Transform(view), "Answer").Should().Equal(Pipelines.Column<string>(model.Transform(view), "Answer"));
            Pipelines.Column<string>(restored.Transform(view), "Answer").Should().Equal(Pipelines.Column<string>(model.Transform(view), "Answer"));
        }
        else
        {
            Pipelines.Column<float>(loaded.Transform(view), "Answer").Should().Equal(Pipelines.Column<float>(model.Transform(view), "Answer")).And.OnlyContain(value => value >= 10);
            Pipelines.Column<float>(restored.Transform(view), "Answer").Should().Equal(Pipelines.Column<float>(model.Transform(view), "Answer"));
        }
        Pipelines.Column<float[]>(loaded.Transform(view), "Score").SelectMany(row => row).Should().Equal(Pipelines.Column<float[]>(model.Transform(view), "Score").SelectMany(row => row));
        Context.MulticlassClassification.Evaluate(restored.Transform(view), "Key").MacroAccuracy.Should().BeGreaterThan(0.9);
    }

    [Fact]
    public void A_mixture_with_an_expert_that_cannot_be_stored_says_so()
    {
        var view = Pipelines.View(Pipelines.Samples(20));
        var model = new MixtureEstimator((_, _) => new DelegateExpert(3, 1, rows => rows.narrow(1, 0, 1).clone()), null).Fit(view);

        model.Invoking(each => Saved(each, view.Schema)).Should().Throw<NotSupportedException>().WithMessage("*DelegateExpert*IStoredExpert*");
    }

    private static EstimatorChain<MixtureTransformer> Pipeline(MixtureEstimatorOptions options) =>
        Context.Transforms.NormalizeMinMax("Features").Append(new MixtureEstimator(Pipelines.Learner, options));

    private static MemoryStream Saved(ITransformer model, DataViewSchema schema)
    {
        var stream = new MemoryStream();
        Context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return stream;
    }
}
