using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests.Mixtures;

public class MixtureTransformerTests
{
    private static readonly MLContext Context = Pipelines.Context;

    private static readonly TransformerChain<MixtureTransformer> Model = Context.Transforms.NormalizeMinMax("Features")
        .Append(new MixtureEstimator(Pipelines.Learner, new MixtureEstimatorOptions { LabelColumn = "Truth", GateColumn = "Gates" })).Fit(Pipelines.View(Pipelines.Samples()));

    [Fact]
    public void Batches_single_rows_and_the_expert_itself_answer_the_same()
    {
        using var scope = NewDisposeScope();
        var samples = Pipelines.Samples(3000);
        var view = Pipelines.View(samples);
        var answered = Model.Transform(view);
        using var engine = Context.Model.CreatePredictionEngine<Sample, Answer>(Model);

        var together = Pipelines.Column<float>(answered, "Probability");
        var alone = samples.Take(50).Concat(samples.TakeLast(50)).Select(engine.Predict).ToArray();
        var last = Model.LastTransformer;
        var rows = tensor(Pipelines.Column<float[]>(answered, "Features").SelectMany(row => row).ToArray(), dtype: ScalarType.Float64).reshape(3000, 3);

        together.Take(50).Concat(together.TakeLast(50)).Should().Equal(alone.Select(answer => answer.Probability));
        together.Should().Equal(Problems.Answer(last.Expert, rows).Where((_, place) => place % 2 == 1).Select(value => (float)value));
        Pipelines.Column<bool>(answered, "PredictedLabel").Should().Equal(together.Select(p => p > 0.5f));
    }

    [Fact]
    public void Rows_that_nobody_reads_do_not_disturb_those_that_are_read()
    {
        var view = Pipelines.View(Pipelines.Samples(5000));
        var answered = Model.Transform(view);
        var all = Pipelines.Column<float>(answered, "Score");

        Pipelines.Column<float>(Context.Data.TakeRows(Context.Data.SkipRows(answered, 4321), 3), "Score").Should().Equal(all[4321..4324]);
        Pipelines.Column<float>(Context.Data.FilterRowsByColumn(answered, "Score", 0), "Score").Should().Equal(all.Where(score => score >= 0));
        using var cursor = answered.GetRowCursor([answered.Schema["Score"], answered.Schema["Weight"]]);
        var read = cursor.GetGetter<float>(answered.Schema["Score"]);
        for (var row = 0; cursor.MoveNext(); row++)
        {
            if (row % 1500 != 1499)
                continue;
            var value = 0f;
            read(ref value);
            value.Should().Be(all[row]);
        }
        cursor.Invoking(each => each.GetGetter<float>(answered.Schema["Label"])).Should().Throw<Exception>();
    }

    [Fact]
    public void No_rows_give_no_answers_and_other_columns_pass_through()
    {
        var none = Model.Transform(Context.Data.SkipRows(Pipelines.View(Pipelines.Samples(5)), 5));
        var some = Model.Transform(Pipelines.View(Pipelines.Samples(5)));

        Pipelines.Column<float>(none, "Score").Should().BeEmpty();
        Pipelines.Column<string>(some, "Name").Should().Equal(Pipelines.Samples(5).Select(sample => sample.Name));
        some.GetRowCount().Should().Be(5);
        some.Schema.Select(column => column.Name).Should().ContainInConsecutiveOrder("PredictedLabel", "Probability", "Score", "Gates");
    }

    [Fact]
    public void Views_are_read_on_many_threads_at_once()
    {
        var view = Model.Transform(Pipelines.View(Pipelines.Samples(2000)));
        var alone = Pipelines.Column<float>(view, "Score");

        Parallel.For(0, 8, _ => Pipelines.Column<float>(view, "Score").Should().Equal(alone));
    }

    [Fact]
    public void Reading_leaves_no_tensor_alive()
    {
        var view = Model.Transform(Pipelines.View(Pipelines.Samples(20)));

        LiveTensors.After(() => Pipelines.Column<float>(view, "Score")).Should().Be(0);
    }
}
