using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What published balancing losses got wrong, each named after it.</summary>
public sealed class BalanceLossBugs
{
    // huggingface/transformers #45120, #45131
    [Fact]
    public void A_softmax_was_taken_of_a_softmax()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 1));
        using var decision = gate.Route(Direct.Repeated(8, 30, 0, 0, 0));

        // The probabilities of a collapsed router are 1 and 0, and the loss is E. Their softmax would be 0.475 and 0.175, and the loss 1.9.
        foreach (var options in new[] { LoadBalanceOptions.Switch, LoadBalanceOptions.Megatron, LoadBalanceOptions.HuggingFace, LoadBalanceOptions.DeepSeekSequence })
            Loss(new LoadBalance(options), gate, decision).Should().BeApproximately(4, 1e-10);
    }

    // huggingface/transformers #28093, #28021
    [Fact]
    public void The_loss_was_the_same_whatever_the_router_did()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2));
        double[] skews = [0, 1, 2, 4, 8];
        foreach (var options in new[] { LoadBalanceOptions.Switch, LoadBalanceOptions.Megatron, LoadBalanceOptions.HuggingFace })
        {
            var losses = skews.Select(skew =>
            {
                using var decision = gate.Route(Make.Normal(1, 400, 4) + tensor(new[] { skew, skew / 2, 0, 0 }));
                return Loss(new LoadBalance(options), gate, decision);
            });
            losses.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        }
    }

    // ByteDance-Seed/VeOmni #715, paiml/aprender #2162
    [Fact]
    public void The_mean_probability_was_taken_over_the_chosen_experts_only()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 1));
        // Two tokens go to expert 0 and one to expert 1, but the others are nearly as probable.
        var z = tensor(new double[] { 1, 0, 0.9, 0.9, 1, 0, 0.9, 0.9, 0, 1, 0.9, 0.9 }).reshape(3, 4).requires_grad_();
        using var decision = gate.Route(z);
        LoadBalance.Loss(decision).backward();

        var (p, f) = (z.detach().softmax(1), tensor(new[] { 2.0 / 3, 1.0 / 3, 0, 0 }));
        Loss(new LoadBalance(), gate, decision).Should().BeApproximately(4 * p.mean([0L]).dot(f).item<double>(), 1e-14);
        // Experts that were not chosen are pulled up too.
        Compare.Close(z.grad!, p * (f - p.matmul(f).unsqueeze(1)) * (4.0 / 3), 1e-14);
        Compare.Doubles(z.grad!.narrow(1, 2, 2)).Should().OnlyContain(slope => slope < -0.01);
    }

    // QwenLM/Qwen3 #1418
    [Fact]
    public void What_one_layer_gave_too_much_another_that_gave_too_little_hid()
    {
        using var scope = NewDisposeScope();
        using var first = Direct.Gate(Direct.Options(2, 1));
        using var second = Direct.Gate(Direct.Options(2, 1));
        using var left = first.Route(Direct.Repeated(6, 30, 0));
        using var right = second.Route(Direct.Repeated(6, 0, 30));
        LayerRouting[] layers = [new(first, left), new(second, right)];

        new LoadBalance().Compute(layers).Select(loss => loss.item<double>()).Should().AllSatisfy(loss => loss.Should().BeApproximately(2, 1e-10));
        new LoadBalance(LoadBalanceOptions.HuggingFace).Compute(layers).Should().ContainSingle().Which.item<double>().Should().BeApproximately(1, 1e-10);
    }

    // google-research/vmoe #218
    [Fact]
    public void At_perfect_balance_the_gradient_was_NaN()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2) with { Noise = new GaussianNoise() });
        gate.Draws.Recorded = (_, like) => zeros_like(like);
        BalanceLoss[] losses =
        [
            new ImportanceLoss(), new ImportanceLoss(new() { Unbiased = true }), new SmoothLoadLoss(), new SmoothLoadLoss(SmoothLoadOptions.VMoE),
            new SmoothLoadLoss(SmoothLoadOptions.FastMoe), new LoadBalance(), new RouterZLoss(),
        ];
        foreach (var loss in losses)
        {
            foreach (var z in new[] { zeros(8, 4, dtype: ScalarType.Float64), eye(4, dtype: ScalarType.Float64).repeat(2, 1) })
            {
                var gradients = Make.Gradients(gate, z, input => loss.Compute([new LayerRouting(gate, gate.Route(input))])[0]);
                gradients.Values.Should().AllSatisfy(gradient => Compare.Doubles(gradient).Should().OnlyContain(value => double.IsFinite(value)));
            }
        }
    }

    // NVIDIA/Megatron-LM #1617
    [Fact]
    public void Padding_experts_to_their_capacity_pinned_the_loss_at_one()
    {
        using var scope = NewDisposeScope();
        var options = Direct.Options(4, 2);
        using var free = Direct.Gate(options);
        using var full = Direct.Gate(options with { Capacity = new() { Fixed = 1 } });
        var z = Make.Normal(1, 30, 4) + tensor(new double[] { 2, 2, 0, 0 });
        using var expected = free.Route(z);
        using var decision = full.Route(z);

        decision.Load.Should().Equal(1, 1, 1, 1);
        foreach (var convention in new[] { LoadBalanceOptions.Switch, LoadBalanceOptions.DeepSeekSequence, LoadBalanceOptions.Megatron })
        {
            var loss = Loss(new LoadBalance(convention), full, decision);
            loss.Should().Be(Loss(new LoadBalance(convention), free, expected)).And.BeGreaterThan(1.2);
        }
    }

    // davidmrau/mixture-of-experts #9
    [Fact]
    public void In_evaluation_mode_the_load_was_divided_by_zero()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.Shazeer(4, 4));
        gate.eval();
        using var decision = gate.Route(Make.Normal(1, 6, 4));
        using var padding = gate.Route(Make.Normal(1, 2, 4), Make.Mask(0, 0));

        foreach (var loss in new BalanceLoss[] { new SmoothLoadLoss(), new SmoothLoadLoss(SmoothLoadOptions.VMoE), new ImportanceLoss(), new LoadBalance(), new RouterZLoss() })
        {
            double.IsFinite(Loss(loss, gate, decision)).Should().BeTrue();
            Loss(loss, gate, padding).Should().Be(0);
        }
    }

    // davidmrau/mixture-of-experts #31, #32; Tutel's load_importance_loss
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Thresholds_were_probabilities_and_what_they_were_compared_with_logits(int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(5, 2) with { Noise = new GaussianNoise { Deviation = 0.7 } });
        var noise = Make.Normal(seed + 10, 20, 5);
        gate.Draws.Recorded = (_, _) => noise.clone();
        var z = Make.Normal(seed, 20, 5);
        using var decision = gate.Route(z);
        using var shifted = gate.Route(z + 100);

        // Redrawing the noise of one expert, the others' staying: it is among the best two if it beats the second best of the others.
        var (clean, noisy) = (Direct.Rows(z), Direct.Rows(z + noise * 0.7));
        var load = Enumerable.Range(0, 5).Select(e => Enumerable.Range(0, 20).Sum(t =>
        {
            var threshold = Enumerable.Range(0, 5).Where(other => other != e).Select(other => noisy[t][other]).OrderDescending().ElementAt(1);
            return tensor((clean[t][e] - threshold) / 0.7 / Math.Sqrt(2)).erf().item<double>() / 2 + 0.5;
        })).ToArray();
        var mean = load.Average();
        Loss(new SmoothLoadLoss(), gate, decision).Should().BeApproximately(load.Average(n => Math.Pow(n - mean, 2)) / (mean * mean), 1e-10);
        Loss(new SmoothLoadLoss(), gate, shifted).Should().BeApproximately(Loss(new SmoothLoadLoss(), gate, decision), 1e-10);
    }

    // laekov/fastmoe: GShardGate multiplies by the square of the experts of one process, while the means run over those of all
    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public void The_scale_was_the_number_of_local_experts(int experts)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(experts, 1) with { Temperature = 0.01 });
        using var balanced = gate.Route(eye(experts, dtype: ScalarType.Float64));
        using var collapsed = gate.Route(eye(experts, dtype: ScalarType.Float64)[0].expand(experts, experts));

        foreach (var options in new[] { LoadBalanceOptions.Switch, LoadBalanceOptions.GShard, LoadBalanceOptions.FastMoeSwitch })
        {
            Loss(new LoadBalance(options), gate, balanced).Should().BeApproximately(1, 1e-10);
            Loss(new LoadBalance(options), gate, collapsed).Should().BeApproximately(experts, 1e-10);
        }
    }

    // huggingface/transformers #48293, #48421
    [Fact]
    public void The_z_loss_was_dead()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Switch(4, 4) with { InputJitter = 0 });
        var z = Make.Normal(1, 6, 4) * 3;
        using var decision = gate.Route(z);

        var expected = Direct.Rows(z).Average(row => Math.Pow(Math.Log(row.Sum(Math.Exp)), 2));
        Loss(new RouterZLoss(), gate, decision).Should().BeApproximately(expected, 1e-12);
        Make.Gradients(gate, z, input => new RouterZLoss().Compute([new LayerRouting(gate, gate.Route(input))])[0])["weight"]
            .abs().min().item<double>().Should().BePositive();
    }

    private static double Loss(BalanceLoss loss, GatingNetwork gate, RoutingDecision decision)
    {
        using var scope = NewDisposeScope();
        return loss.Compute([new LayerRouting(gate, decision)]).Should().ContainSingle().Which.item<double>();
    }
}
