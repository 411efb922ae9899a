using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Several balance losses in one objective.</summary>
public sealed class BalanceTermsTests
{
    private static readonly Objective Several = new(
        TaskLosses.MeanSquaredError, new LoadBalance(), [new BalanceTerm(new RouterZLoss(), 1), new BalanceTerm(new ImportanceLoss(), 1)]);

    /// <summary>Every loss there is, in every scope.</summary>
    public static TheoryData<string> Losses => [.. All.Select(loss => loss.Name)];

    private static BalanceTerm[] All =>
    [
        new(new LoadBalance(), 1) { Name = "switch" },
        new(new LoadBalance(LoadBalanceOptions.GShard), 1) { Name = "gshard" },
        new(new LoadBalance(LoadBalanceOptions.HuggingFace), 1) { Name = "hugging_face" },
        new(new LoadBalance(LoadBalanceOptions.GlobalBatch), 1) { Name = "global_batch" },
        new(new ImportanceLoss(), 1),
        new(new SmoothLoadLoss(), 1),
        new(new RouterZLoss(), 1),
        new(new ReluL1Loss(), 1),
    ];

    [Fact]
    public void Several_losses_at_once_are_the_sum_worked_out_by_hand_in_value_and_gradients()
    {
        using var scope = NewDisposeScope();
        using var first = Make.Mixture(seed: 1);
        using var second = Make.Mixture(seed: 2);
        var (x, y) = (Make.Normal(1, 12, 4), Make.Normal(2, 12, 4));
        using var pass = new RoutingPass();
        var between = first.forward(x, pass);

        using var value = Several.Evaluate(second.forward(between, pass), y, pass, lambda: 0.3, [0.05, 0.7]);
        value.Total.backward();
        var gradients = Gradients(first, second);

        // Once more from the formulas, with nothing of the library but the layers' outputs.
        first.zero_grad();
        second.zero_grad();
        between = first.forward(x);
        var task = (second.forward(between) - y).square().mean();
        var (load, z, importance) = ByHand(first, x);
        var (load2, z2, importance2) = ByHand(second, between);
        var total = task + 0.3 * (load + load2) / 2 + 0.05 * (z + z2) / 2 + 0.7 * (importance + importance2) / 2;
        total.backward();

        State.Number(value.Total).Should().BeApproximately(State.Number(total), 1e-12);
        value.Terms.Select(term => (term.Name, term.Lambda)).Should().Equal(("router_z", 0.05), ("importance", 0.7));
        State.Number(value.Terms[0].Value).Should().BeApproximately(State.Number(z + z2) / 2, 1e-12);
        State.Number(value.Terms[1].Value).Should().BeApproximately(State.Number(importance + importance2) / 2, 1e-12);
        value.Terms[0].Layers.Select(State.Number).Should().Equal([State.Number(z), State.Number(z2)], (a, b) => Math.Abs(a - b) < 1e-12);
        gradients.Should().Equal(Gradients(first, second), (a, b) => Math.Abs(a - b) < 1e-12);
        gradients.Should().Contain(gradient => Math.Abs(gradient) > 1e-3);

        static double[] Gradients(params MixtureOfExperts[] layers) =>
            [.. layers.SelectMany(layer => layer.parameters()).SelectMany(parameter => State.Numbers(parameter.grad!))];
    }

    [Fact]
    public void Without_weights_terms_are_measured_and_not_learned_from()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture();
        using var pass = new RoutingPass();
        var output = layer.forward(Make.Normal(1, 12, 4), pass);

        using var value = Several.Evaluate(output, Make.Normal(2, 12, 4), pass, lambda: 0);

        State.Number(value.Total).Should().Be(State.Number(value.Task));
        value.Terms.Should().OnlyContain(term => term.Lambda == 0 && State.Number(term.Value) > 0.001);
    }

    [Fact]
    public void A_loss_that_joins_layers_is_one_number()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture();
        using var pass = new RoutingPass();
        var output = layer.forward(layer.forward(Make.Normal(1, 12, 4), pass), pass);
        var joined = new LoadBalance(LoadBalanceOptions.HuggingFace);

        using var value = new Objective(TaskLosses.MeanSquaredError, joined).Evaluate(output, Make.Normal(2, 12, 4), pass, lambda: 2);

        var expected = State.Number(joined.Compute(pass.Layers).Single());
        State.Number(value.Layers.Single()).Should().Be(expected);
        State.Number(value.Balance).Should().Be(expected);
        State.Number(value.Total).Should().BeApproximately(State.Number(value.Task) + 2 * expected, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public void Padding_counts_in_no_loss_and_no_gradient(string name)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture();
        var objective = new Objective((output, _) => output.sum() * 0, terms: [All.Single(term => term.Name == name)]);
        bool[] real = [true, false, true, true, false, true, true];
        var x = Make.Normal(1, 7, 4);
        var mask = tensor(real);

        var without = Judge(x[mask], null);
        var with = Judge(x.masked_fill(mask.logical_not().unsqueeze(-1), double.NaN), mask);
        var padding = Judge(x, zeros_like(mask));

        with.Value.Should().BeApproximately(without.Value, 1e-12).And.NotBe(0);
        with.Gradient.Should().Equal(without.Gradient, (a, b) => Math.Abs(a - b) < 1e-12);
        padding.Value.Should().Be(0);
        padding.Gradient.Should().OnlyContain(gradient => gradient == 0);

        (double Value, double[] Gradient) Judge(Tensor input, Tensor? padded)
        {
            layer.zero_grad();
            using var pass = new RoutingPass(padded);
            var output = layer.forward(input, pass);
            var batch = new GlobalBatch();
            batch.Add(pass.Layers.Single());
            using var value = objective.Evaluate(output.nan_to_num(), output, pass, lambda: 0, [1], batch);
            value.Total.backward();
            return (State.Number(value.Terms.Single().Value), State.Numbers(layer.Network.Weight.grad!));
        }
    }

    [Fact]
    public void Weights_that_do_not_fit_are_refused()
    {
        using var scope = NewDisposeScope();
        using var pass = new RoutingPass();
        var output = Make.Normal(1, 3, 2);

        Evaluate([1]).Should().Throw<ArgumentException>().WithMessage("Expected 2 weights, one a term, got 1.*").WithParameterName("termLambdas");
        Evaluate([1, -1]).Should().Throw<ArgumentOutOfRangeException>().WithMessage("λ of importance (-1) must be 0 or more, and finite.*");
        Evaluate([double.NaN, 1]).Should().Throw<ArgumentOutOfRangeException>().WithMessage("λ of router_z (NaN) must be 0 or more, and finite.*");
        FluentActions.Invoking(() => new Objective(TaskLosses.MeanSquaredError, terms: [null!])).Should().Throw<ArgumentException>().WithParameterName("terms");

        Action Evaluate(double[] weights) => () => Several.Evaluate(output, output, pass, 0, weights);
    }

    [Fact]
    public void A_loss_that_gives_no_scalars_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Mixture();
        using var pass = new RoutingPass();
        var output = layer.forward(Make.Normal(1, 12, 4), pass);

        foreach (var answer in new IReadOnlyList<Tensor>[] { [output], [null!], null! })
        {
            var objective = new Objective(TaskLosses.MeanSquaredError, terms: [new BalanceTerm(new GivenLoss("strange", (_, _) => answer), 1)]);
            objective.Invoking(o => o.Evaluate(output, output, pass, 0))
                .Should().Throw<InvalidOperationException>().WithMessage("The balance loss strange must give one scalar a layer, or one in all, and none null.");
        }
    }

    [Fact]
    public void What_is_judged_leaves_nothing_alive_once_it_is_disposed()
    {
        using var layer = Make.Mixture();
        using var x = Make.Normal(1, 12, 4);
        void Judge()
        {
            using var pass = new RoutingPass();
            using var output = layer.forward(x, pass);
            Several.Evaluate(output, x, pass, 0.1, [0.1, 0.1]).Dispose();
        }

        Judge();
        State.LiveAfter(Judge).Should().Be(0);
    }

    /// <summary>Load balance, z-loss and importance of a plain softmax gate, from its weights and tokens.</summary>
    private static (Tensor Load, Tensor Z, Tensor Importance) ByHand(MixtureOfExperts layer, Tensor tokens)
    {
        var (experts, k) = (layer.Network.ExpertCount, layer.Network.TopK);
        var logits = tokens.matmul(layer.Network.Weight.t());
        var (best, indices) = logits.topk(k);
        var chosen = zeros_like(logits).scatter(1, indices, ones_like(best));
        var f = chosen.mean([0]) / k;
        var load = experts * (logits.softmax(-1).mean([0]) * f).sum();
        var z = logits.exp().sum(dim: 1).log().square().mean();

        // The softmax of the chosen logits, in the columns of all.
        var gates = logits.exp() * chosen;
        var summed = (gates / gates.sum(dim: 1, keepdim: true)).sum(dim: 0);
        var importance = (summed - summed.mean()).square().mean() / (summed.mean().square() + 1e-10);
        return (load, z, importance);
    }
}
