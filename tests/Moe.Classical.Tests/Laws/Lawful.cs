using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Every learner, small and quick, with each kind of response that it takes.</summary>
internal static class Lawful
{
    public const int Rows = 24;
    public const int Width = 3;
    public const int Classes = 3;
    private static readonly SoftmaxLearner Softmax = new();
    private static readonly DecisionTreeLearner Tree = new(new DecisionTreeOptions { MaxDepth = 3 });
    private static readonly EmOptions Em = new() { Restarts = 2, MaxIterations = 40, Folds = 3 };

    public static readonly IReadOnlyDictionary<string, IExpertLearner> Learners = new Dictionary<string, IExpertLearner>
    {
        ["linear"] = new LinearLearner(),
        ["ridge"] = new LinearLearner(new LinearOptions { Ridge = 0.1 }),
        ["poisson"] = new GlmLearner(GlmFamily.Poisson),
        ["binomial"] = new GlmLearner(GlmFamily.Binomial),
        ["softmax"] = Softmax,
        ["softmax without ridge"] = new SoftmaxLearner(new SoftmaxOptions { Ridge = 0 }),
        ["gaussian bayes"] = new GaussianNaiveBayes(),
        ["multinomial bayes"] = new MultinomialNaiveBayes(),
        ["bernoulli bayes"] = new BernoulliNaiveBayes(new BernoulliNaiveBayesOptions { Threshold = 1 }),
        ["neighbours"] = new NearestNeighboursLearner(new NearestNeighboursOptions { Neighbours = 3 }),
        ["near neighbours"] = new NearestNeighboursLearner(new NearestNeighboursOptions { Neighbours = 3, Weighting = NeighbourWeighting.Distance }),
        ["kernel ridge"] = new KernelRidgeLearner(),
        ["polynomial ridge"] = new KernelRidgeLearner(new KernelRidgeOptions { Kernel = new PolynomialKernel { Degree = 2 } }),
        ["gp"] = new GaussianProcessLearner(),
        ["matern gp"] = new GaussianProcessLearner(new GaussianProcessOptions { Kernel = new MaternKernel(), SeparateLengthScales = true, Starts = 1, MaxSteps = 15 }),
        ["tree"] = Tree,
        ["forest"] = new RandomForestLearner(new RandomForestOptions { Trees = 6 }),
        ["svm"] = new VectorMachineLearner(),
        ["linear svm"] = new VectorMachineLearner(new VectorMachineOptions { Kernel = VectorMachineKernel.Linear }),
        ["network"] = new NetworkLearner(Network, new NetworkOptions { Epochs = 3, WarmEpochs = 1, FactoryName = "lawful" }),
        ["averaging"] = new AveragingLearner([Tree, new NearestNeighboursLearner()]),
        ["hard voting"] = new VotingLearner([Softmax, Tree, new GaussianNaiveBayes()]),
        ["soft voting"] = new VotingLearner([Softmax, Tree], VotingRule.Soft),
        ["bagging"] = new BaggingLearner(Tree, new BaggingOptions { Members = 4 }),
        ["stacking of numbers"] = new StackingLearner([new LinearLearner(), Tree], new LinearLearner(new LinearOptions { Ridge = 0.01 }), new StackingOptions { Folds = 3 }),
        ["stacking of classes"] = new StackingLearner([Tree, Softmax], Softmax, new StackingOptions { Folds = 3 }),
        ["mixture of lines"] = MixtureLearner.Alike(2, new LinearLearner(), Em),
        ["mixture of counts"] = MixtureLearner.Alike(2, new GlmLearner(GlmFamily.Poisson), Em),
        ["mixture of trials"] = MixtureLearner.Alike(2, new GlmLearner(GlmFamily.Binomial), Em),
        ["mixture of a line and a tree"] = new MixtureLearner([new MixtureMember("line", new LinearLearner()), new MixtureMember("tree", Tree)], Em with { MaxIterations = 8 }),
        ["mixture of classifiers"] = new MixtureLearner([new MixtureMember("softmax", Softmax), new MixtureMember("bayes", new GaussianNaiveBayes())], Em with { MaxIterations = 8 }),
    };

    static Lawful() => NetworkFactories.Register("lawful", Network);

    /// <summary>Names of the form "learner: kind".</summary>
    public static IEnumerable<string> Cases =>
        Learners.SelectMany(pair => Enum.GetValues<ResponseKind>().Where(pair.Value.Takes).Select(kind => $"{pair.Key}: {kind}"));

    public static TheoryData<string> Theory() => [.. Cases];

    public static (IExpertLearner Learner, ResponseKind Kind) Case(string name)
    {
        var parts = name.Split(": ");
        return (Learners[parts[0]], Enum.Parse<ResponseKind>(parts[1]));
    }

    public static FitData Data(ResponseKind kind, int rows = Rows, int width = Width, int seed = 1) =>
        new(tensor(Numbers(rows * width, seed), rows, width), ResponseOf(kind, rows, seed + 100));

    /// <summary>Numbers from 0 to 3, as naive Bayes over counts wants none below 0.</summary>
    public static double[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => 3 * random.NextDouble())];
    }

    public static Response ResponseOf(ResponseKind kind, int rows, int seed) => ResponseOf(kind, Numbers(rows, seed));

    /// <summary>A response from numbers from 0 to 3: real numbers as they are, counts and successes out of 6 as twice of them, classes as their whole parts.</summary>
    public static Response ResponseOf(ResponseKind kind, double[] numbers) => kind switch
    {
        ResponseKind.Real => Response.Real(tensor(numbers)),
        ResponseKind.Count => Response.Count(tensor(numbers.Select(number => Math.Floor(2 * number)).ToArray())),
        ResponseKind.Trials => Response.Binomial(tensor(numbers.Select(number => Math.Floor(2 * number)).ToArray()), tensor(numbers.Select(_ => 6.0).ToArray())),
        _ => Response.Class(tensor(numbers.Select(number => Math.Min(Math.Floor(number), Classes - 1)).ToArray()), Classes),
    };

    public static double[] Doubles(Tensor numbers)
    {
        using (numbers)
        using (var plain = numbers.contiguous())
            return plain.data<double>().ToArray();
    }

    /// <summary>All that an expert says of rows, whatever it can say.</summary>
    public static double[] Says(IExpert expert, FitData data)
    {
        var said = new List<double>(Doubles(expert.forward(data.Inputs)));
        if (expert is IOutOfSample honest)
            said.AddRange(Doubles(honest.OutOfSample()));
        if (expert is IDensityExpert density)
            said.AddRange(Doubles(density.LogDensity(data.Inputs, data.Response)));
        if (expert is IVarianceExpert sure && data.Response.Kind != ResponseKind.Class)
            said.AddRange(Doubles(sure.PredictVariance(data.Inputs)));
        if (expert is IParametric parametric)
            said.Add(parametric.DegreesOfFreedom);
        return [.. said];
    }

    /// <summary>What is wrong with what an expert says of rows; null if nothing is.</summary>
    public static string? Fault(IExpert expert, FitData data, FitData seen)
    {
        var answers = Doubles(expert.forward(data.Inputs));
        if (Wrong(answers, expert, data.Response.Kind) is { } fault)
            return $"answers {fault}";
        if (expert is IOutOfSample honest && Wrong(Doubles(honest.OutOfSample()), expert, seen.Response.Kind) is { } other)
            return $"out of sample {other}";
        if (expert is IDensityExpert density && Doubles(density.LogDensity(data.Inputs, data.Response)).Any(log => double.IsNaN(log) || double.IsPositiveInfinity(log)))
            return "a log-density that is no number";
        if (expert is IVarianceExpert sure && data.Response.Kind != ResponseKind.Class && !Doubles(sure.PredictVariance(data.Inputs)).All(variance => variance > 0 && double.IsFinite(variance)))
            return "a variance that is not above 0 and finite";
        return expert is IParametric parametric && !double.IsFinite(parametric.DegreesOfFreedom) ? "degrees of freedom that are not finite" : null;
    }

    private static string? Wrong(double[] answers, IExpert expert, ResponseKind kind)
    {
        var width = (int)expert.OutputWidth;
        for (var start = 0; start < answers.Length; start += width)
        {
            var row = answers.AsSpan(start, width).ToArray();
            var sound = row.All(double.IsFinite) && kind switch
            {
                ResponseKind.Class => row.All(share => share is >= 0 and <= 1) && Math.Abs(row.Sum() - 1) < 1e-9,
                ResponseKind.Trials => row[0] is >= 0 and <= 1,
                ResponseKind.Count => row[0] >= 0,
                _ => true,
            };
            if (!sound)
                return string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", row)} to row {start / width}");
        }
        return null;
    }

    private static nn.Module<Tensor, Tensor> Network(long d, long dout) => nn.Sequential(("hidden", nn.Linear(d, 4)), ("curve", nn.Tanh()), ("out", nn.Linear(4, dout)));
}
