using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

public sealed class ObjectiveTests
{
    private static readonly Objective Squares = new(TaskLosses.MeanSquaredError);

    [Fact]
    public void It_is_the_task_plus_lambda_times_the_balance_counted_by_hand()
    {
        using var scope = NewDisposeScope();
        using var mixture = Make.Mixture();
        var (x, y) = (Make.Normal(1, 12, 4), Make.Normal(2, 12, 4));
        using var pass = new RoutingPass();
        var output = mixture.forward(x, pass);

        using var value = Squares.Evaluate(output, y, pass, lambda: 0.3);

        var task = State.Numbers(output).Zip(State.Numbers(y), (a, b) => (a - b) * (a - b)).Average();
        var balance = NaiveBalance(mixture, x, Enumerable.Repeat(true, 12).ToArray());
        State.Number(value.Task).Should().BeApproximately(task, 1e-12);
        State.Number(value.Balance).Should().BeApproximately(balance, 1e-12);
        State.Number(value.Total).Should().BeApproximately(task + 0.3 * balance, 1e-12);
        value.Layers.Should().ContainSingle();
    }

    [Fact]
    public void Several_mixtures_count_by_their_mean()
    {
        using var scope = NewDisposeScope();
        using var first = Make.Mixture(seed: 1);
        using var second = Make.Mixture(seed: 2);
        var x = Make.Normal(1, 12, 4);
        var y = Make.Normal(2, 12, 4);
        using var pass = new RoutingPass();
        var between = first.forward(x, pass);
        var output = second.forward(between, pass);

        using var value = Squares.Evaluate(output, y, pass, lambda: 2);

        var all = Enumerable.Repeat(true, 12).ToArray();
        double[] expected = [NaiveBalance(first, x, all), NaiveBalance(second, between, all)];
        value.Layers.Select(State.Number).Should().Equal(expected, (a, b) => Math.Abs(a - b) < 1e-12);
        State.Number(value.Balance).Should().BeApproximately(expected.Average(), 1e-12);
        State.Number(value.Total).Should().BeApproximately(State.Number(value.Task) + 2 * expected.Average(), 1e-12);
    }

    [Fact]
    public void Without_mixtures_the_balance_is_zero_and_the_total_the_task()
    {
        using var scope = NewDisposeScope();
        using var pass = new RoutingPass();

        using var value = Squares.Evaluate(Make.Normal(1, 3, 2), Make.Normal(2, 3, 2), pass, lambda: 5);

        State.Number(value.Balance).Should().Be(0);
        State.Number(value.Total).Should().Be(State.Number(value.Task));
        value.Layers.Should().BeEmpty();
    }

    [Fact]
    public void With_lambda_zero_the_total_is_the_task_and_the_balance_is_reported_all_the_same()
    {
        using var scope = NewDisposeScope();
        using var mixture = Make.Mixture();
        using var pass = new RoutingPass();
        var output = mixture.forward(Make.Normal(1, 12, 4), pass);

        using var value = Squares.Evaluate(output, Make.Normal(2, 12, 4), pass, lambda: 0);

        State.Number(value.Total).Should().Be(State.Number(value.Task));
        State.Number(value.Balance).Should().BeGreaterThan(0.9);
    }

    [Fact]
    public void Padding_does_not_count_in_the_balance()
    {
        using var scope = NewDisposeScope();
        using var mixture = Make.Mixture();
        bool[] real = [true, true, false, true, false, true];
        var x = Make.Normal(1, 6, 4);
        using var pass = new RoutingPass(tensor(real));
        var output = mixture.forward(x, pass);

        using var value = Squares.Evaluate(output, Make.Normal(2, 6, 4), pass, lambda: 1);

        State.Number(value.Balance).Should().BeApproximately(NaiveBalance(mixture, x, real), 1e-12);
        State.Number(value.Balance).Should().NotBeApproximately(NaiveBalance(mixture, x, [.. real.Select(_ => true)]), 1e-6);
    }

    [Fact]
    public void The_balance_alone_moves_the_gate()
    {
        using var scope = NewDisposeScope();
        using var mixture = Make.Mixture();
        using var pass = new RoutingPass();
        var output = mixture.forward(Make.Normal(1, 12, 4), pass);

        using var value = new Objective((o, _) => o.sum() * 0).Evaluate(output, output, pass, lambda: 1);
        value.Total.backward();

        State.Numbers(mixture.Network.Weight.grad!).Should().Contain(gradient => Math.Abs(gradient) > 1e-4);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_lambda_that_is_negative_or_not_finite_is_refused(double lambda)
    {
        using var scope = NewDisposeScope();
        using var pass = new RoutingPass();
        var output = Make.Normal(1, 3, 2);

        var evaluate = () => Squares.Evaluate(output, output, pass, lambda);

        evaluate.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"λ ({lambda}) must be 0 or more, and finite.*");
    }

    [Fact]
    public void The_balance_of_a_model_in_a_narrow_type_is_not_rounded_to_it()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture().to(bfloat16);
        using var pass = new RoutingPass();
        var output = layer.forward(Make.Normal(1, 50, 4).to(bfloat16), pass);

        using var value = new Objective((answers, _) => answers.square().mean()).Evaluate(output, output, pass, lambda: 1);

        value.Task.dtype.Should().Be(bfloat16);
        value.Balance.dtype.Should().Be(ScalarType.Float32);
        value.Balance.item<float>().Should().Be(LoadBalance.Loss(pass.Layers[0].Decision).item<float>());
        value.Total.backward();
        layer.Network.Weight.grad!.isfinite().all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void A_task_loss_that_is_no_number_is_refused()
    {
        using var scope = NewDisposeScope();
        using var pass = new RoutingPass();
        var output = Make.Normal(1, 3, 2);

        Refusal((answers, _) => answers).Should().Be("The task's loss must be a floating-point scalar, but has shape [3, 2] and type Float64.");
        Refusal((answers, _) => answers.argmax()).Should().Be("The task's loss must be a floating-point scalar, but has shape [] and type Int64.");
        Refusal((_, _) => null!).Should().Be("The task's loss must be a scalar, but is null.");

        string Refusal(TaskLoss loss) => FluentActions.Invoking(() => new Objective(loss).Evaluate(output, output, pass, 0))
            .Should().Throw<InvalidOperationException>().Which.Message;
    }

    [Fact]
    public void Null_is_refused_everywhere()
    {
        using var scope = NewDisposeScope();
        using var pass = new RoutingPass();
        var output = Make.Normal(1, 3, 2);

        FluentActions.Invoking(() => new Objective(null!)).Should().Throw<ArgumentNullException>().WithParameterName("task");
        FluentActions.Invoking(() => Squares.Evaluate(null!, output, pass, 0)).Should().Throw<ArgumentNullException>().WithParameterName("output");
        FluentActions.Invoking(() => Squares.Evaluate(output, null!, pass, 0)).Should().Throw<ArgumentNullException>().WithParameterName("target");
        FluentActions.Invoking(() => Squares.Evaluate(output, output, null!, 0)).Should().Throw<ArgumentNullException>().WithParameterName("pass");
    }

    /// <summary>E · Σ pᵢ fᵢ with loops: top-k by sorting, softmax by exponentials.</summary>
    private static double NaiveBalance(MixtureOfExperts mixture, Tensor x, bool[] real)
    {
        using var scope = NewDisposeScope();
        var (experts, k, tokens) = (mixture.Network.Options.ExpertCount, mixture.Network.Options.TopK, real.Count(r => r));
        var logits = State.Numbers(x.matmul(mixture.Network.Weight.t())).Chunk(experts).Where((_, token) => real[token]).ToArray();
        var (p, f) = (new double[experts], new double[experts]);
        foreach (var row in logits)
        {
            var sum = row.Sum(Math.Exp);
            for (var i = 0; i < experts; i++)
                p[i] += Math.Exp(row[i]) / sum / tokens;
            foreach (var i in Enumerable.Range(0, experts).OrderByDescending(i => row[i]).Take(k))
                f[i] += 1.0 / (tokens * k);
        }
        return experts * p.Zip(f, (a, b) => a * b).Sum();
    }
}
