using System.Text.Json;

namespace Moe.Samples.Tests.ExpertsVersusEnsemble;

/// <summary>What a contest writes down: each model alone, each kind of ensemble, both mixtures.</summary>
public sealed class ContestTests : IDisposable
{
    private static readonly string Motorcycle = Path.Combine(AppContext.BaseDirectory, "data", "mcycle.csv");
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Regressions_compete_by_error_over_the_given_folds()
    {
        var output = Run("--data", Motorcycle, "--response", "y", "--task", "regression", "--fold-column", "fold", "--experts", "linear,tree,knn");
        output.Should().Contain("mcycle.csv: 133 rows, 1 inputs, regression, experts linear, tree, knn").And.Contain("133 rows, each judged by models that never saw it").And.Contain("│ moe-frozen │")
            .And.Contain("Who answers").And.Contain("who-answers.png");
        var results = Results();
        results.Select(result => (result.GetProperty("name").GetString(), result.GetProperty("kind").GetString())).Should().Equal(
            ("linear", "single"), ("tree", "single"), ("knn", "single"), ("averaging", "average"), ("bagging of trees", "bagging"), ("forest", "forest"), ("boosting", "boosting"),
            ("stacking", "stacking"), ("gated experts", "moe-frozen"), ("EM mixture", "moe-em"));
        foreach (var result in results)
        {
            result.Names().Should().BeEquivalentTo("name", "kind", "rmse", "seconds", "evaluations_per_prediction");

            // The responses' own standard deviation is 48.
            result.Number("rmse").Should().BeInRange(20, 60);
        }
        ShouldCount(results, experts: 3);

        // No line follows the head's movement: what can bend is better.
        var (line, best) = (Of(results, "single").Number("rmse"), results.Min(result => result.Number("rmse")));
        best.Should().BeLessThan(0.7 * line);
        _folder.Png(Path.Combine("out", "who-answers.png")).Should().Be((1100, 700));
    }

    [Fact]
    public void Classifiers_compete_by_accuracy_and_log_loss_on_the_test_side()
    {
        var data = _folder.Write("data.csv", Clouds());
        var output = Run("--data", data, "--response", "y", "--task", "classification", "--split-column", "split", "--ignore", "id,note", "--experts", "logistic,naive-bayes,tree,knn,svm");
        output.Should().Contain("data.csv: 150 rows, 2 inputs, classification, experts logistic, naive-bayes, tree, knn, svm");
        var results = Results();
        results.Select(result => result.GetProperty("kind").GetString()).Should().Equal(
            "single", "single", "single", "single", "single", "average", "vote", "bagging", "forest", "boosting", "stacking", "moe-frozen", "moe-em");
        results.Select(result => result.GetProperty("name").GetString()).Should().OnlyHaveUniqueItems().And.StartWith(["logistic", "naive-bayes", "tree", "knn", "svm"]);
        foreach (var result in results)
        {
            result.Names().Should().BeEquivalentTo("name", "kind", "accuracy", "log_loss", "seconds", "evaluations_per_prediction");

            // 50 rows are judged; the clouds overlap a little.
            (50 * result.Number("accuracy")).Should().BeApproximately(Math.Round(50 * result.Number("accuracy")), 1e-9).And.BeInRange(40, 50);
            // A vote gives no probability at all to a class that nobody named.
            result.Number("log_loss").Should().BeInRange(0.001, 10);
        }
        ShouldCount(results, experts: 5);
        Of(results, "average").Number("log_loss").Should().BeLessThan(0.45);
        Of(results, "moe-frozen").Number("log_loss").Should().BeLessThan(0.45);
        _folder.Png(Path.Combine("out", "who-answers.png")).Should().Be((1100, 180 + (70 * 5)));
    }

    [Theory]
    [InlineData("regression", "linear,tree,knn", 10)]
    [InlineData("classification", "logistic,tree,knn", 10)]
    [InlineData("regression", "linear,tree,knn", 40)]
    public void Few_rows_and_columns_or_responses_that_are_all_alike_end_finite(string task, string experts, int rows)
    {
        string[] lines = ["a,b,y,split", .. Enumerable.Range(0, rows).Select(row => FormattableString.Invariant($"{Math.Sin(7.0 * row):F6},3,{(rows == 40 ? 5 : row % 2)},{(row % 4 == 0 ? "test" : "train")}"))];
        Run("--data", _folder.Write("few.csv", lines), "--task", task, "--split-column", "split", "--experts", experts);
        Results().Should().HaveCount(task == "regression" ? 10 : 11).And.OnlyContain(result => result.Number(task == "regression" ? "rmse" : "log_loss") >= 0);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Two classes in two clouds; a column that gives the class away, and one that is no number.</summary>
    internal static string[] Clouds()
    {
        var random = new Random(4);
        double Noise() => random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5;
        return
        [
            "id,x,y,z,note,split",
            .. Enumerable.Range(0, 150).Select(row =>
            {
                var second = row % 2 == 1;
                return FormattableString.Invariant($"{(second ? 1000 : 0)},{Noise() + (second ? 1.2 : -0.4):F4},{(second ? "yes" : "no")},{Noise() + (second ? 0.3 : -0.6):F4},text,{(row % 3 == 0 ? "test" : "train")}");
            }),
        ];
    }

    private static JsonElement Of(JsonElement[] results, string kind) => results.First(result => result.GetProperty("kind").GetString() == kind);

    /// <summary>Models asked for one answer, by kind; and some time was taken.</summary>
    private static void ShouldCount(JsonElement[] results, int experts)
    {
        results.Should().OnlyContain(result => result.Number("seconds") > 0);
        results.Where(result => result.GetProperty("kind").GetString() == "single").Should().OnlyContain(result => result.Number("evaluations_per_prediction") == 1);
        Of(results, "average").Number("evaluations_per_prediction").Should().Be(experts);
        Of(results, "stacking").Number("evaluations_per_prediction").Should().BeInRange(experts, experts + 1);
        Of(results, "bagging").Number("evaluations_per_prediction").Should().Be(100);
        Of(results, "forest").Number("evaluations_per_prediction").Should().Be(200);
        Of(results, "moe-frozen").Number("evaluations_per_prediction").Should().BeInRange(1, experts);
        Of(results, "moe-em").Number("evaluations_per_prediction").Should().BeInRange(1, experts);
    }

    private string Run(params string[] arguments) =>
        Sample.ExpertsVersusEnsemble([.. arguments, "--json", _folder.File("contest.json"), "--out", _folder.File("out")]).Succeeded();

    private JsonElement[] Results()
    {
        var contest = _folder.Json("contest.json");
        contest.Names().Should().Equal("results");
        return [.. contest.GetProperty("results").EnumerateArray()];
    }
}
