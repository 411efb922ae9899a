namespace Moe.Samples.Tests.ExpertsVersusEnsemble;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Help_names_every_option()
    {
        var help = Sample.ExpertsVersusEnsemble("--help").Succeeded();
        foreach (var option in new[] { "--data", "--response", "--task", "--fold-column", "--split-column", "--ignore", "--experts", "--json", "--out" })
            help.Should().Contain(option);
    }

    [Theory]
    [InlineData("--experts linear,tree", "--task must be given with --data")]
    [InlineData("--task ranking", "--task (ranking) must be regression or classification.")]
    [InlineData("--task regression --experts linear", "--experts (linear) must name at least 2.")]
    [InlineData("--task regression --experts linear,linear", "--experts (linear,linear) must not name one twice.")]
    [InlineData("--task regression --experts linear,svm", "--experts (svm) must be among linear, tree, kernel-ridge, knn, gp, forest, boosting for --task regression.")]
    [InlineData("--task classification --experts gp,svm", "--experts (gp) must be among logistic, naive-bayes, tree, knn, svm, forest, boosting for --task classification.")]
    [InlineData("--task regression --fold-column fold --split-column split", "--fold-column (fold) and --split-column (split) exclude each other.")]
    [InlineData("--task regression --seed one", "one")]
    public void Options_that_cannot_be_are_refused_by_name_and_value(string options, string message) =>
        Refused(ContestTests.Clouds(), options, code: 2).Should().Contain(message);

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Sample.ExpertsVersusEnsemble("--data", "nowhere.csv", "--task", "regression").Failed(code: 2).Should().Contain("--data (nowhere.csv) must be a file.");

    [Theory]
    [InlineData("--split-column split --ignore id,nothing", "data.csv has no column \"nothing\"; it has id, x, y, z, note, split.")]
    [InlineData("--split-column side --ignore id,note", "data.csv has no column \"side\"")]
    [InlineData("--fold-column fold --ignore id,note", "data.csv has no column \"fold\"")]
    [InlineData("--split-column split --response w", "data.csv has no column \"w\"")]
    [InlineData("--split-column split", "Line 2 of data.csv has \"text\" as note, which is not a finite number.")]
    [InlineData("--split-column split --ignore id,x,z,note", "data.csv has no column left to learn from.")]
    [InlineData("--split-column note", "note of data.csv contains \"text\"; expected train or test.")]
    [InlineData("--fold-column note --ignore id,split", "note of data.csv has 1 fold; there must be at least 2.")]
    [InlineData("--split-column split --response note --ignore y", "note of data.csv has 1 class; there must be at least 2.")]
    public void Columns_that_do_not_fit_are_refused(string options, string message) =>
        Refused(ContestTests.Clouds(), $"--task classification --experts logistic,tree {options}", code: 1).Should().Contain(message);

    [Theory]
    [InlineData("train")]
    [InlineData("test")]
    public void A_side_of_the_split_without_rows_is_refused(string side) =>
        Refused([.. ContestTests.Clouds().Select(line => line.Replace(",train", $",{side}").Replace(",test", $",{side}"))], "--task classification --experts logistic,tree --split-column split --ignore id,note", code: 1)
            .Should().Contain("both train and test need some");

    [Fact]
    public void A_train_side_of_one_class_is_refused() =>
        Refused([.. ContestTests.Clouds().Where(line => !line.EndsWith(",train", StringComparison.Ordinal) || line.Contains(",yes,", StringComparison.Ordinal))], "--task classification --experts logistic,svm --split-column split --ignore id,note", code: 1)
            .Should().Contain("rows of at least 2 classes");

    [Fact]
    public void A_response_that_is_no_number_is_no_regression() =>
        Refused(ContestTests.Clouds(), "--task regression --experts linear,tree --split-column split --ignore id,note", code: 1).Should().Contain("Line 2 of data.csv has \"no\" as y, which is not a finite number.");

    public void Dispose() => _folder.Dispose();

    private string Refused(string[] lines, string options, int code)
    {
        var data = _folder.Write("data.csv", lines);
        var error = Sample.ExpertsVersusEnsemble(["--data", data, "--json", _folder.File("contest.json"), "--out", _folder.File("out"), .. options.Split(' ')]).Failed(code);
        // Steps that were begun stand before it.
        error.Should().Contain("Error: ").And.NotContain("   at ");
        _folder.Has("contest.json").Should().BeFalse();
        Directory.Exists(_folder.File("out")).Should().BeFalse();
        return error;
    }
}
