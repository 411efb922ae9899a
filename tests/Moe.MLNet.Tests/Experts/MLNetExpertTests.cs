using Microsoft.ML;
using Microsoft.ML.Data;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests.Experts;

public class MLNetExpertTests
{
    private static readonly MLContext Context = new(1);

    private static readonly IDataView Houses = Context.Data.LoadFromEnumerable(
        Enumerable.Range(0, 60).Select(row => new House { Area = row, Age = row % 7, Price = (2 * row) - (row % 7), IsLarge = row >= 30, Town = row < 20 ? "York" : "Bath" }));

    [Fact]
    public void A_fitted_pipeline_with_a_column_for_each_number_is_an_expert()
    {
        using var scope = NewDisposeScope();
        var model = Context.Transforms.Concatenate("Features", "Area", "Age").Append(Context.Transforms.NormalizeMinMax("Features"))
            .Append(Context.Regression.Trainers.LbfgsPoissonRegression("Price")).Fit(Houses);
        var expert = new MLNetExpert(model, 2, new MLNetExpertOptions { InputColumns = ["Area", "Age"] });

        var answers = Problems.Answer(expert, tensor(new double[] { 10, 2, 50, 6 }).reshape(2, 2));

        using var engine = Context.Model.CreatePredictionEngine<House, RegressionAnswer>(model);
        answers.Should().Equal(engine.Predict(new House { Area = 10, Age = 2 }).Score, engine.Predict(new House { Area = 50, Age = 6 }).Score);
    }

    [Fact]
    public void A_binary_model_answers_with_both_probabilities()
    {
        using var scope = NewDisposeScope();
        var model = Context.Transforms.Concatenate("Features", "Area", "Age")
            .Append(Context.BinaryClassification.Trainers.LbfgsLogisticRegression("IsLarge")).Fit(Houses);
        var expert = new MLNetExpert(model, 2, new MLNetExpertOptions { InputColumns = ["Area", "Age"], OutputColumn = "Probability", Score = ScoreKind.BinaryProbability });

        var answers = Problems.Answer(expert, tensor(new double[] { 5, 2, 55, 2 }).reshape(2, 2));

        expert.OutputWidth.Should().Be(2);
        answers[0].Should().BeGreaterThan(0.9);
        answers[3].Should().BeGreaterThan(0.9);
        (answers[0] + answers[1]).Should().BeApproximately(1, 1e-12);
    }

    [Fact]
    public void Columns_that_only_training_needs_are_fed_from_the_schema()
    {
        using var scope = NewDisposeScope();
        var model = Context.Transforms.Concatenate("Features", "Area", "Age").Append(Context.Transforms.CopyColumns("Label", "Price"))
            .Append(Context.Regression.Trainers.FastTree()).Fit(Houses);
        var options = new MLNetExpertOptions { InputColumns = ["Area", "Age"] };

        var without = () => new MLNetExpert(model, 2, options);
        without.Should().Throw<ArgumentException>().WithMessage("*Area (Single), Age (Single)*Price*InputSchema*");

        var expert = new MLNetExpert(model, 2, options with { InputSchema = Houses.Schema });
        Problems.Answer(expert, tensor(new double[] { 50, 2 }).reshape(1, 2))[0].Should().BeInRange(60, 130);

        MLNetStorage.Register();
        using var state = expert.ToState();
        Problems.Answer(StoredExperts.Read(state), tensor(new double[] { 50, 2 }).reshape(1, 2)).Should().Equal(Problems.Answer(expert, tensor(new double[] { 50, 2 }).reshape(1, 2)));
    }

    [Fact]
    public void A_model_of_another_schema_is_refused()
    {
        var model = Context.Transforms.Concatenate("Features", "Area", "Age").Append(Context.Regression.Trainers.FastTree("Price")).Fit(Houses);

        var narrow = () => new MLNetExpert(model.LastTransformer, 3);
        var column = () => new MLNetExpert(model.LastTransformer, 2, new MLNetExpertOptions { OutputColumn = "Probability" });
        var kind = () => new MLNetExpert(model.LastTransformer, 2, new MLNetExpertOptions { Score = ScoreKind.Logits });
        var vector = () => new MLNetExpert(model.LastTransformer, 2, new MLNetExpertOptions { OutputColumn = "Features", Score = ScoreKind.BinaryProbability });
        var names = () => new MLNetExpert(model, 3, new MLNetExpertOptions { InputColumns = ["Area", "Age"] });
        var twice = () => new MLNetExpert(model, 2, new MLNetExpertOptions { InputColumns = ["Area", "Area"], OutputColumn = " " });

        narrow.Should().Throw<ArgumentException>().WithMessage("*Features (Vector<Single, 3>)*");
        column.Should().Throw<ArgumentException>().WithMessage("*no column Probability*Score (Single)*");
        kind.Should().Throw<ArgumentException>().WithMessage("*Single*Logits*");
        vector.Should().Throw<ArgumentException>().WithMessage("*Vector<Single, 2>*BinaryProbability*");
        names.Should().Throw<ArgumentException>().WithMessage("*InputColumns are 2 for rows of 3 numbers*");
        twice.Should().Throw<ArgumentException>().WithMessage("*name of its own*OutputColumn is empty*");
    }

    [Fact]
    public void Vectors_are_read_as_values_logits_or_probabilities()
    {
        using var scope = NewDisposeScope();
        var pass = Context.Transforms.CopyColumns("Score", "Features").Fit(new RowsView(0, [RowColumn.Vector("Features", [], 3)]));
        var rows = tensor(new double[] { 1, 2, 5, -1, 0, 0 }).reshape(2, 3);

        double[] Read(ScoreKind kind) => Problems.Answer(new MLNetExpert(pass, 3, new MLNetExpertOptions { Score = kind }), rows);

        Read(ScoreKind.Value).Should().Equal(1, 2, 5, -1, 0, 0);
        Read(ScoreKind.Probabilities).Should().Equal(1 / 8.0, 2 / 8.0, 5 / 8.0, 1 / 3.0, 1 / 3.0, 1 / 3.0);
        Read(ScoreKind.Logits)[2].Should().BeApproximately(1 / (1 + Math.Exp(-4) + Math.Exp(-3)), 1e-12);
    }

    [Fact]
    public void A_model_that_is_no_row_mapper_is_read_through_its_cursor_and_must_answer_every_row()
    {
        using var scope = NewDisposeScope();
        var pass = Context.Transforms.CopyColumns("Score", "Features").Fit(new RowsView(0, [RowColumn.Vector("Features", [], 3)]));
        var rows = Problems.Rows(50_000);

        var whole = new MLNetExpert(new Cursored(pass, long.MaxValue), 3, new MLNetExpertOptions { Score = ScoreKind.Value });
        var half = new MLNetExpert(new Cursored(pass, 20), 3);

        Problems.Answer(whole, rows).Should().Equal(Problems.Numbers(rows).Select(number => (double)(float)number));
        half.Invoking(expert => Problems.Answer(expert, rows.narrow(0, 0, 40))).Should().Throw<InvalidOperationException>().WithMessage("*20 of 40 rows*");
    }

    [Fact]
    public void Numbers_beyond_Float32_are_refused_and_answers_that_are_not_finite_too()
    {
        using var scope = NewDisposeScope();
        var expert = Problems.Fit(Problems.Named("fast-tree"), Problems.Regression());
        var pass = Context.Transforms.Expression("Score", "x : log(x)", "Features").Fit(new RowsView(0, [RowColumn.Vector("Features", [], 3)]));

        expert.Invoking(each => Problems.Answer(each, full(1, 3, 1e300, dtype: ScalarType.Float64))).Should().Throw<ArgumentException>().WithMessage("*Float32*1E+300*");
        new MLNetExpert(pass, 3).Invoking(each => Problems.Answer(each, full(1, 3, -1, dtype: ScalarType.Float64))).Should().Throw<InvalidOperationException>().WithMessage("*NaN*Score*");
    }

    [Fact]
    public void Answers_on_many_threads_are_those_of_one()
    {
        using var scope = NewDisposeScope();
        var rows = Problems.Rows(600);
        foreach (var learner in Problems.Learners)
        {
            var expert = Problems.Fit(learner, Problems.Classes());
            var alone = Problems.Answer(expert, rows);
            Parallel.For(0, 6, _ => Problems.Answer(expert, rows).Should().Equal(alone));
        }
    }

    [Fact]
    public void Fits_on_many_threads_are_those_of_one()
    {
        using var scope = NewDisposeScope();
        var weighted = Problems.Regression(weights: Problems.Rows(300, 9).select(1, 0).abs());
        foreach (var learner in Problems.Learners)
        {
            var data = learner.Weights == WeightSupport.Native ? weighted : weighted.WithWeights(null);
            var alone = Problems.Answer(Problems.Fit(learner, data), data.Inputs);
            Parallel.For(0, 3, _ => Problems.Answer(Problems.Fit(learner, data), data.Inputs).Should().Equal(alone));
        }
    }

    private sealed class RegressionAnswer
    {
        public float Score { get; set; }
    }

    /// <summary>A model without a row mapper, which may drop rows.</summary>
    private sealed class Cursored(ITransformer inner, long rows) : ITransformer
    {
        public bool IsRowToRowMapper => false;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inner.GetOutputSchema(inputSchema);

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public IDataView Transform(IDataView input) => Context.Data.TakeRows(inner.Transform(input), rows);

        public void Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }
}
