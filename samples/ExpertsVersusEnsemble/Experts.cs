using Moe.Classical;
using Moe.MLNet;

namespace ExpertsVersusEnsemble;

/// <summary>The experts by name, with settings that suit small tables. The same ones serve alone, in ensembles and in mixtures.</summary>
internal static class Experts
{
    private static readonly Dictionary<string, Func<IExpertLearner>> Regression = new()
    {
        ["linear"] = () => new LinearLearner(),
        ["tree"] = () => new DecisionTreeLearner(new() { MinLeafWeight = 5 }),
        ["kernel-ridge"] = () => new KernelRidgeLearner(),
        ["knn"] = () => new NearestNeighboursLearner(),
        ["gp"] = () => new GaussianProcessLearner(),
        ["forest"] = Forest,
        ["boosting"] = Boosting,
    };

    private static readonly Dictionary<string, Func<IExpertLearner>> Classification = new()
    {
        ["logistic"] = () => new SoftmaxLearner(),
        ["naive-bayes"] = () => new GaussianNaiveBayes(new() { Smoothing = 0.05 }),
        ["tree"] = () => new DecisionTreeLearner(new() { Smoothing = 3 }),
        ["knn"] = () => new NearestNeighboursLearner(new() { Neighbours = 3, Standardise = false }),
        ["svm"] = () => new VectorMachineLearner(new() { Standardise = false }),
        ["forest"] = Forest,
        ["boosting"] = Boosting,
    };

    public static IEnumerable<string> For(bool classification) => (classification ? Classification : Regression).Keys;

    public static IReadOnlyList<string> Defaults(bool classification) => [.. For(classification).Except(["forest", "boosting"])];

    public static bool Suits(string name, bool classification) => (classification ? Classification : Regression).ContainsKey(name);

    public static IExpertLearner Learner(string name, bool classification) => (classification ? Classification : Regression)[name]();

    /// <summary>What is bagged: the model that gains most from it.</summary>
    public static IExpertLearner Bagging(bool classification) => new BaggingLearner(Learner("tree", classification), new() { Members = 100 });

    public static IExpertLearner Forest() => new RandomForestLearner(new() { Trees = 200 });

    public static IExpertLearner Boosting() => MLNetLearner.LightGbm();
}
