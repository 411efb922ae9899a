using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Scores and their slopes against closed forms, also far from 0.</summary>
public sealed class ScoreFunctionTests
{
    private static readonly double[] Logits = [-200, -100, -41, -39.5, -20, -1.5, 0, 0.25, 3, 20.5, 39, 41, 200];

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_sigmoid_is_one_over_one_plus_the_exponential(ScalarType type) => Agree(
        ScoreFunction.Sigmoid, type, Sigmoid, z => Sigmoid(z) * Sigmoid(-z), absolute: type == ScalarType.Float64 ? 1.2e-16 : 6e-8);

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Sqrt_softplus_is_the_root_of_the_softplus_and_its_slope_stays_finite(ScalarType type) => Agree(
        ScoreFunction.SqrtSoftplus, type, z => Math.Sqrt(Softplus(z)), z => Sigmoid(z) / (2 * Math.Sqrt(Softplus(z))));

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_relu_is_the_positive_part(ScalarType type) => Agree(
        ScoreFunction.Relu, type, z => Math.Max(z, 0), z => z > 0 ? 1 : 0);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_softmax_is_each_exponential_over_the_sum_of_all(int seed)
    {
        using var scope = NewDisposeScope();
        var logits = Make.Normal(seed, 7, 5) * 4;

        var actual = Direct.Rows(ScoreFunction.Softmax.Score(logits));

        foreach (var (row, z) in actual.Zip(Direct.Rows(logits)))
        {
            var sum = z.Sum(Math.Exp);
            for (var i = 0; i < 5; i++)
                row[i].Should().BeApproximately(Math.Exp(z[i]) / sum, 1e-15);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_softmax_does_not_overflow(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new double[] { 1e4, -1e4, 1e4 }).to(type).reshape(1, 3).requires_grad_();
        var scores = ScoreFunction.Softmax.Score(logits);
        scores[0, 0].backward();

        Compare.Doubles(scores).Should().Equal(0.5, 0, 0.5);
        Compare.Doubles(logits.grad!).Should().Equal(0.25, 0, -0.25);
    }

    [Fact]
    public void Larger_logits_never_have_smaller_scores_and_a_root_of_a_softplus_tells_them_apart_far_below_zero()
    {
        using var scope = NewDisposeScope();
        var logits = tensor(Logits);
        foreach (var function in new[] { ScoreFunction.Softmax, ScoreFunction.Sigmoid, ScoreFunction.SqrtSoftplus, ScoreFunction.Relu })
        {
            function.KeepsOrder.Should().BeTrue();
            Compare.Doubles(function.Score(logits)).Should().BeInAscendingOrder();
        }
        Compare.Doubles(ScoreFunction.SqrtSoftplus.Score(logits)).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Only_a_softmax_sums_to_one()
    {
        ScoreFunction.Softmax.SumsToOne.Should().BeTrue();
        new[] { ScoreFunction.Sigmoid, ScoreFunction.SqrtSoftplus, ScoreFunction.Relu }.Should().OnlyContain(function => !function.SumsToOne);
    }

    [Fact]
    public void Functions_are_called_by_their_names_and_equal_by_what_they_are()
    {
        ScoreFunction.Sigmoid.ToString().Should().Be("Sigmoid");
        ScoreFunction.Sigmoid.Should().NotBe(ScoreFunction.Softmax);
        new Halves("Sigmoid").Should().Be(new Halves("Sigmoid")).And.NotBe(ScoreFunction.Sigmoid);
    }

    [Fact]
    public void What_a_sigmoid_rounds_to_one_is_still_told_apart_by_its_logit()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 1) with { Score = ScoreFunction.Sigmoid }, ScalarType.Float32);
        using var decision = gate.Route(tensor(new float[] { 20, 30, 40, 25, 41, 40, 39, 38, 20, 21, 22, 23 }).reshape(3, 4));

        Compare.Doubles(decision.Scores).Should().OnlyContain(score => score == 1);
        Compare.Longs(decision.Indices).Should().Equal(2, 0, 3);
    }

    /// <summary>It sums to 1 and is no softmax.</summary>
    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection)]
    [InlineData(SoftmaxOrder.BeforeSelection)]
    public void Weights_of_a_function_of_ones_own_are_its_scores_and_it_is_chosen_by_them(SoftmaxOrder order)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 2) with { Score = new Halves("Halves"), Softmax = order });
        using var decision = gate.Route(tensor(new double[] { 5, -9, 1 }).reshape(1, 3));

        Compare.Longs(decision.Indices).Should().Equal(1, 0);
        Compare.Doubles(decision.Weights).Should().Equal(9.0 / 15, 5.0 / 15);
    }

    /// <summary>Compared relative to the size, and besides to the smallest number that there is or, where torch itself computes with 1 - s, to a rounding of 1.</summary>
    private static void Agree(ScoreFunction function, ScalarType type, Func<double, double> score, Func<double, double> slope, double absolute = 0)
    {
        using var scope = NewDisposeScope();
        var (relative, smallest) = type == ScalarType.Float64 ? (1e-14, Math.Max(absolute, double.Epsilon)) : (5e-7, Math.Max(absolute, float.Epsilon));
        var logits = tensor(Logits).to(type).requires_grad_();
        var scores = function.Score(logits);
        scores.sum().backward();

        scores.dtype.Should().Be(type);
        var (values, slopes) = (Compare.Doubles(scores), Compare.Doubles(logits.grad!));
        for (var i = 0; i < Logits.Length; i++)
        {
            var z = Logits[i];
            values[i].Should().BeApproximately(score(z), Math.Abs(score(z)) * relative + smallest, "that is the score of {0}", z);
            slopes[i].Should().BeApproximately(slope(z), Math.Abs(slope(z)) * relative + smallest, "that is the slope at {0}", z);
        }
    }

    private static double Sigmoid(double z) => z > 0 ? 1 / (1 + Math.Exp(-z)) : Math.Exp(z) / (1 + Math.Exp(z));

    /// <summary>log(1 + u) = 2 artanh(u / (2 + u)), without adding a small u to 1.</summary>
    private static double Softplus(double z) => Math.Max(z, 0) + 2 * Math.Atanh(Math.Exp(-Math.Abs(z)) / (2 + Math.Exp(-Math.Abs(z))));

    private sealed record Halves(string Name) : ScoreFunction(Name)
    {
        public override bool SumsToOne => true;

        public override Tensor Score(Tensor logits) => logits.abs() / logits.abs().sum(dim: 1, keepdim: true);
    }
}
