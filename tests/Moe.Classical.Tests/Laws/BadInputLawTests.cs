using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class BadInputLawTests
{
    /// <summary>Rows that are legal, but hard to learn from.</summary>
    private static readonly Dictionary<string, Func<ResponseKind, FitData>> Poor = new()
    {
        ["a constant column"] = kind => Changed(kind, (row, column, value) => column == 1 ? 5 : value),
        ["constant columns"] = kind => Changed(kind, (row, column, value) => column),
        ["collinear columns"] = kind => Changed(kind, (row, column, value) => column == 2 ? 2 * row : column == 1 ? row : value),
        ["equal rows in groups"] = kind => Changed(kind, (row, column, value) => ((row % 4) + column) % 3),
        ["a single row"] = kind => Lawful.Data(kind, rows: 1),
        ["two rows"] = kind => Lawful.Data(kind, rows: 2),
        ["more columns than rows"] = kind => Lawful.Data(kind, rows: 5, width: 9),
        ["huge inputs"] = kind => Changed(kind, (row, column, value) => 1e8 * value),
        ["tiny inputs"] = kind => Changed(kind, (row, column, value) => 1e-8 * value),
        ["inputs of all scales"] = kind => Changed(kind, (row, column, value) => value * Math.Pow(1e8, column - 1)),
        ["inputs far from 0"] = kind => Changed(kind, (row, column, value) => value + 1e8),
        ["a row far out"] = kind => Changed(kind, (row, column, value) => row == 3 ? 1e12 : value),
        ["inputs near the end of numbers"] = kind => Changed(kind, (row, column, value) => 1e150 * value),
        ["huge responses"] = kind => Responding(kind, row => row % 5, 1e8),
        ["tiny responses"] = kind => Responding(kind, row => row % 5, kind == ResponseKind.Real ? 1e-8 : 1),
        ["a constant response"] = kind => Responding(kind, _ => kind == ResponseKind.Class ? 1 : 3, 1),
        ["nothing but 0"] = kind => Responding(kind, _ => 0, 1),
        ["successes everywhere"] = kind => Responding(kind, _ => kind == ResponseKind.Class ? 2 : 6, 1),
        ["classes apart"] = kind => Responding(kind, row => row < 12 ? 0 : 1, 1, (row, column, value) => row < 12 ? value : value + 100),
        ["weight on one row only"] = kind => Lawful.Data(kind).WithWeights(tensor(Enumerable.Range(0, Lawful.Rows).Select(row => row == 7 ? 1.0 : 0).ToArray())),
        ["weight on four rows only"] = kind => Lawful.Data(kind).WithWeights(tensor(Enumerable.Range(0, Lawful.Rows).Select(row => row % 6 == 0 ? 1.0 : 0).ToArray())),
        ["weights of all scales"] = kind => Lawful.Data(kind).WithWeights(tensor(Enumerable.Range(0, Lawful.Rows).Select(row => Math.Pow(10, row - 12)).ToArray())),
        ["huge weights"] = kind => Lawful.Data(kind).WithWeights(full(Lawful.Rows, 1e200, dtype: ScalarType.Float64)),
        ["tiny weights"] = kind => Lawful.Data(kind).WithWeights(full(Lawful.Rows, 1e-200, dtype: ScalarType.Float64)),
    };

    public static TheoryData<string> Cases() => Lawful.Theory();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Poor_rows_give_sound_answers_or_a_clear_refusal(string name)
    {
        var (learner, kind) = Lawful.Case(name);
        var faults = new List<string>();
        foreach (var (what, make) in Poor)
        {
            using var scope = NewDisposeScope();
            // A fit that hangs ends here.
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var data = make(kind);
            try
            {
                var expert = learner.Fit(data, new FitContext { CancellationToken = patience.Token });
                var others = Lawful.Data(kind, 9, (int)data.Width, 5);
                var far = new FitData(others.Inputs * 1e9, others.Response);
                foreach (var (asked, rows) in new[] { ("its own", data), ("other", others), ("far", far) })
                {
                    if (Lawful.Fault(expert, rows, data) is { } fault)
                        faults.Add($"{what}, {asked} rows: {fault}");
                }
            }
            catch (ArgumentException exception) when (MayRefuse(name, what) && exception.Message.Any(char.IsDigit))
            {
            }
#pragma warning disable CA1031 // Whatever else is thrown is what the test looks for.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                faults.Add($"{what}: {exception.GetType().Name} {exception.Message} {exception.StackTrace?.Split('\n')[0]}");
            }
        }
        string.Join(Environment.NewLine, faults).Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_unit_of_weights_does_not_matter(string name)
    {
        // Smoothing is documented as a number of rows.
        if (name.StartsWith("multinomial", StringComparison.Ordinal) || name.StartsWith("bernoulli", StringComparison.Ordinal))
            return;
        using var scope = NewDisposeScope();
        var (learner, kind) = Lawful.Case(name);
        var weights = Lawful.Numbers(Lawful.Rows, 9).Select(weight => weight + 0.2).ToArray();
        var data = Lawful.Data(kind).WithWeights(tensor(weights));
        var plain = Lawful.Doubles(learner.Fit(data, FitContext.Default).forward(data.Inputs));
        var scaled = Lawful.Doubles(learner.Fit(data.WithWeights(tensor(weights.Select(weight => 1024 * weight).ToArray())), FitContext.Default).forward(data.Inputs));
        Near(scaled, plain, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rows_without_weight_are_as_if_removed(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = Lawful.Case(name);
        var data = Lawful.Data(kind);
        var weights = Enumerable.Range(0, Lawful.Rows).Select(row => row % 4 == 1 ? 0.0 : 1).ToArray();
        var kept = Enumerable.Range(0, Lawful.Rows).Where(row => weights[row] > 0).Select(row => (long)row).ToArray();
        var without = learner.Fit(data.Select(tensor(kept)), FitContext.Default);
        var numbers = Lawful.Numbers(Lawful.Rows * Lawful.Width, 1).Select((value, place) => place / Lawful.Width % 4 == 1 ? 1000 : value).ToArray();
        var weighted = learner.Fit(new FitData(tensor(numbers, Lawful.Rows, Lawful.Width), data.Response, tensor(weights)), FitContext.Default);
        Near(Lawful.Doubles(weighted.forward(data.Inputs)), Lawful.Doubles(without.forward(data.Inputs)), 1e-6);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Other_kinds_other_widths_and_no_rows_are_told_or_answered(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = Lawful.Case(name);
        var expert = learner.Fit(Lawful.Data(kind), FitContext.Default);
        foreach (var other in Enum.GetValues<ResponseKind>().Where(other => !learner.Takes(other)))
            FluentActions.Invoking(() => learner.Fit(Lawful.Data(other), FitContext.Default)).Should().Throw<ArgumentException>().WithMessage($"*{other}*");
        FluentActions.Invoking(() => learner.Fit(null!, FitContext.Default)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => expert.forward(ones(2, Lawful.Width + 1))).Should().Throw<ArgumentException>().WithMessage("*[n, 3]*[2, 4]*");
        FluentActions.Invoking(() => expert.forward(ones(Lawful.Width))).Should().Throw<ArgumentException>().WithMessage("*[n, D]*[3]*");
        FluentActions.Invoking(() => expert.forward(full(2, Lawful.Width, double.NaN))).Should().Throw<ArgumentException>().WithMessage("*Row 0*NaN*finite*");
        FluentActions.Invoking(() => expert.forward(full(2, Lawful.Width, double.PositiveInfinity))).Should().Throw<ArgumentException>().WithMessage("*Infinity*");
        var none = empty(0, Lawful.Width, dtype: ScalarType.Float64);
        expert.forward(none).shape.Should().Equal(0, Lawful.Data(kind).Response.Width);
        if (expert is IVarianceExpert sure && kind != ResponseKind.Class)
            sure.PredictVariance(none).shape.Should().Equal(0);
        if (expert is IDensityExpert density)
        {
            FluentActions.Invoking(() => density.LogDensity(ones(2, Lawful.Width), Lawful.ResponseOf(kind, 3, 1))).Should().Throw<ArgumentException>().WithMessage("*2*3*");
            var foreign = Lawful.ResponseOf(kind == ResponseKind.Real ? ResponseKind.Count : ResponseKind.Real, 2, 1);
            FluentActions.Invoking(() => density.LogDensity(ones(2, Lawful.Width), foreign)).Should().Throw<ArgumentException>().WithMessage($"*{foreign.Kind}*");
        }
    }

    [Fact]
    public void Numbers_that_are_no_data_are_refused_with_their_row_and_the_rule()
    {
        using var scope = NewDisposeScope();
        static Tensor Of(params double[] numbers) => tensor(numbers);
        var refusals = new (Action Make, string Message)[]
        {
            (() => _ = new FitData(full(3, 2, double.NaN), Response.Real(ones(3))), "*Row 0, column 0*NaN*finite*"),
            (() => _ = new FitData(ones(3, 2), Response.Real(Of(1, double.PositiveInfinity, 2))), "*Row 1*Infinity*finite*"),
            (() => _ = new FitData(ones(3, 2), Response.Real(ones(2))), "*3 rows*2*"),
            (() => _ = new FitData(empty(0, 2), Response.Real(empty(0))), "*at least 1 row*"),
            (() => _ = new FitData(ones(2, 2), Response.Real(ones(2)), Of(1, -1)), "*Row 1*-1*at least 0*"),
            (() => _ = new FitData(ones(2, 2), Response.Real(ones(2)), Of(0, 0)), "*sum*0*above 0*"),
            (() => Response.Count(Of(1, -2)), "*Row 1*-2*count*"),
            (() => Response.Count(Of(1.5)), "*Row 0*1.5*count*"),
            (() => Response.Binomial(Of(1, 4), Of(3, 3)), "*1*4*3*"),
            (() => Response.Binomial(Of(0), Of(0)), "*0*trials*"),
            (() => Response.Class(Of(0, 3), 3), "*Row 1*3*"),
            (() => Response.Class(Of(0, -1), 3), "*Row 1*-1*"),
            (() => Response.Class(Of(0, 0), 1), "*1*2*"),
        };
        foreach (var (make, message) in refusals)
            make.Should().Throw<ArgumentException>().WithMessage(message);
    }

    internal static void Near(double[] answers, double[] expected, double tolerance)
    {
        answers.Should().HaveSameCount(expected);
        for (var place = 0; place < answers.Length; place++)
            answers[place].Should().BeApproximately(expected[place], tolerance * (1 + Math.Abs(expected[place])));
    }

    /// <summary>What learners say they cannot be fitted to.</summary>
    private static bool MayRefuse(string name, string what)
    {
        var (few, fewer) = (what is "a single row" or "weight on one row only", what == "two rows");
        var alike = what is "a constant response" or "nothing but 0" or "successes everywhere";
        return name.Split(' ', ':')[0] switch
        {
            "stacking" => few || fewer,
            "mixture" => few || (fewer && name.Contains("tree", StringComparison.Ordinal)),
            "svm" or "linear" when name.Contains("svm", StringComparison.Ordinal) => few || fewer || alike,
            _ => false,
        };
    }

    private static FitData Changed(ResponseKind kind, Func<int, int, double, double> change)
    {
        var numbers = Lawful.Numbers(Lawful.Rows * Lawful.Width, 1);
        for (var place = 0; place < numbers.Length; place++)
            numbers[place] = change(place / Lawful.Width, place % Lawful.Width, numbers[place]);
        return new FitData(tensor(numbers, Lawful.Rows, Lawful.Width), Lawful.ResponseOf(kind, Lawful.Rows, 101));
    }

    /// <summary>Responses of their own, times a scale where the kind has one.</summary>
    private static FitData Responding(ResponseKind kind, Func<int, double> value, double scale, Func<int, int, double, double>? change = null)
    {
        var values = Enumerable.Range(0, Lawful.Rows).Select(value).ToArray();
        var response = kind switch
        {
            ResponseKind.Real => Response.Real(tensor(values.Select(number => number * scale).ToArray())),
            ResponseKind.Count => Response.Count(tensor(values.Select(number => number * scale).ToArray())),
            ResponseKind.Trials => Response.Binomial(tensor(values.Select(number => number * scale).ToArray()), tensor(values.Select(_ => 6 * scale).ToArray())),
            _ => Response.Class(tensor(values.Select(number => number % Lawful.Classes).ToArray()), Lawful.Classes),
        };
        return new FitData(Changed(kind, change ?? ((_, _, number) => number)).Inputs, response);
    }
}
