using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Every learner of this family with rows for it, and the laws that all keep.</summary>
internal static class RegressionCases
{
    public static readonly Dictionary<string, (IExpertLearner Learner, ResponseKind Kind)> All = new()
    {
        ["linear"] = (new LinearLearner(), ResponseKind.Real),
        ["ridge"] = (new LinearLearner(new LinearOptions { Ridge = 0.1 }), ResponseKind.Real),
        ["no intercept"] = (new LinearLearner(new LinearOptions { Intercept = false }), ResponseKind.Real),
        ["poisson"] = (new GlmLearner(GlmFamily.Poisson), ResponseKind.Count),
        ["binomial"] = (new GlmLearner(GlmFamily.Binomial), ResponseKind.Trials),
        ["binomial ridge"] = (new GlmLearner(GlmFamily.Binomial, new GlmOptions { Ridge = 0.1 }), ResponseKind.Trials),
        ["softmax"] = (new SoftmaxLearner(), ResponseKind.Class),
        ["softmax without ridge"] = (new SoftmaxLearner(new SoftmaxOptions { Ridge = 0 }), ResponseKind.Class),
        ["gaussian bayes"] = (new GaussianNaiveBayes(), ResponseKind.Class),
        ["multinomial bayes"] = (new MultinomialNaiveBayes(), ResponseKind.Class),
        ["bernoulli bayes"] = (new BernoulliNaiveBayes(new BernoulliNaiveBayesOptions { Threshold = 1 }), ResponseKind.Class),
    };

    public static Tensor Rows(int count, int seed = 1) => tensor(Numbers(count * 3, seed, 0, 3), count, 3);

    public static Response ResponseOf(ResponseKind kind, int count, int seed = 2)
    {
        var draws = Numbers(count, seed, 0, 6);
        return kind switch
        {
            ResponseKind.Real => Response.Real(tensor(draws)),
            ResponseKind.Count => Response.Count(tensor(draws.Select(Math.Floor).ToArray())),
            ResponseKind.Trials => Response.Binomial(tensor(draws.Select(Math.Floor).ToArray()), tensor(Enumerable.Repeat(6.0, count).ToArray())),
            _ => Response.Class(tensor(draws.Select(draw => Math.Floor(draw / 2)).ToArray()), 3),
        };
    }

    public static double[] Numbers(int count, int seed, double from, double to)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => from + (random.NextDouble() * (to - from)))];
    }

    public static FitData Data(ResponseKind kind, int count = 60) => new(Rows(count), ResponseOf(kind, count));

    public static double[] Answers(IExpert expert, Tensor rows) => expert.forward(rows).data<double>().ToArray();
}
