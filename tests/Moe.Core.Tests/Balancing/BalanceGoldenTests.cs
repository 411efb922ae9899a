using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Losses and their gradients as the authors' own code gave them (see Fixtures/README.md).</summary>
public sealed class BalanceGoldenTests
{
    [Fact]
    public void Hugging_Faces_load_balancing_loss_agrees_on_all_layers_together()
    {
        var cases = 0;
        foreach (var golden in BalanceCase.Where(golden => golden.Losses.TryGetProperty("cases", out _)))
        {
            foreach (var entry in golden.Losses.GetProperty("cases").EnumerateObject())
            {
                using var scope = NewDisposeScope();
                var numbers = golden.Numbers;
                var mask = numbers.GetValueOrDefault($"{entry.Name}.attention_mask")?.to(ScalarType.Bool).reshape(-1);
                var logits = Enumerable.Range(0, entry.Value.GetProperty("layers").GetInt32())
                    .Select(layer => numbers[$"{entry.Name}.router_logits.{layer}"].requires_grad_()).ToArray();
                var routers = logits.Select(layer => new FixedRouter(layer, entry.Value.GetProperty("top_k").GetInt32())).ToArray();

                var loss = new LoadBalance(LoadBalanceOptions.HuggingFace)
                    .Compute([.. routers.Select(router => new LayerRouting(router, router.Decide(mask)))]).Single();
                loss.backward();

                BalanceCase.Near(loss, entry.Value.GetProperty("value").GetDouble(), entry.Name);
                for (var layer = 0; layer < logits.Length; layer++)
                    BalanceCase.Near(logits[layer].grad!, numbers[$"{entry.Name}.grad_router_logits.{layer}"], $"{entry.Name}, layer {layer}");
                cases++;
            }
        }
        cases.Should().BeGreaterThanOrEqualTo(5);
    }

    /// <summary>Every block of which the losses are known, by the convention of its model type.</summary>
    [Fact]
    public void The_losses_of_published_blocks_agree()
    {
        var seen = new HashSet<string>();
        var gradients = 0;
        foreach (var golden in BalanceCase.Where(golden => golden.Losses.TryGetProperty("router_z_loss", out _) && golden.Numbers["router_logits"].dtype == ScalarType.Float32 && HasLosses(golden)))
        {
            using var scope = NewDisposeScope();
            var numbers = golden.Numbers;
            var mask = numbers.GetValueOrDefault("attention_mask")?.to(ScalarType.Bool);
            (string Loss, BalanceLoss Ours, Tensor? Mask)[] losses = golden.ModelType switch
            {
                // With the choices as they were: theirs reads a dropped token as one of expert 0.
                "switch_transformers" => [(DropsTokens(golden) ? "load_balancing_loss_with_undropped_indices" : "load_balancing_loss", new LoadBalance(new() { Scope = TokenScope.Sequence }), null)],
                "st_moe" => [("balance_loss", new LoadBalance(LoadBalanceOptions.StMoe), null)],
                _ =>
                [
                    ("load_balancing_loss", new LoadBalance(LoadBalanceOptions.HuggingFace), null),
                    ("load_balancing_loss_masked", new LoadBalance(LoadBalanceOptions.HuggingFace), mask),
                ],
            };
            foreach (var (name, ours, real) in losses.Append(("router_z_loss", new RouterZLoss(), null)))
            {
                var logits = (mask is null ? numbers["router_logits"] : numbers["router_logits"].reshape([.. mask.shape, -1])).detach().requires_grad_();
                using var router = new FixedRouter(logits, golden.TopK, golden.Capacity);
                var loss = ours.Of(router.Decide(real));
                loss.backward();

                BalanceCase.Near(loss, golden.Losses.GetProperty(name).GetDouble(), $"{name} of {golden.Name}");
                if (numbers.GetValueOrDefault($"grad_router_logits.{name.Replace("_loss", "", StringComparison.Ordinal)}") is { } gradient)
                {
                    BalanceCase.Near(logits.grad!.reshape(gradient.shape), gradient, $"the gradient of {name} of {golden.Name}");
                    gradients++;
                }
            }
            seen.Add(golden.ModelType);
        }
        seen.Should().Contain(["mixtral", "qwen3_moe", "olmoe"]);
        gradients.Should().BeGreaterThanOrEqualTo(9);

        // In evaluation mode st-moe-pytorch computes no loss, and gives 0.
        static bool HasLosses(BalanceCase golden) => golden.ModelType != "st_moe" || golden.Config.GetProperty("training").GetBoolean();
        static bool DropsTokens(BalanceCase golden) => golden.Numbers["dropped"].any().item<bool>();
    }

    /// <summary>FastMoE's noisy gate with the noise that was drawn: CV² of importance and of load, together.</summary>
    [Fact]
    public void FastMoEs_noisy_gate_agrees_in_loss_and_gradients()
    {
        var cases = 0;
        foreach (var golden in BalanceCase.Where(golden => golden.ModelType == "fastmoe_noisy_gate" && golden.IsNoisy))
        {
            using var scope = NewDisposeScope();
            using var gate = golden.NoisyGate("d_model", "num_expert", "top_k");
            var input = golden.Numbers["input"].requires_grad_();
            using var decision = gate.Route(input);
            var loss = new ImportanceLoss(ImportanceOptions.FastMoe).Of(decision) + new SmoothLoadLoss(SmoothLoadOptions.FastMoe).Of(decision);
            loss.backward();

            BalanceCase.Near(loss, golden.Losses.GetProperty("loss").GetDouble(), "loss");
            BalanceCase.Near(decision.PerturbedLogits, golden.Numbers["noisy_logits"], "noisy_logits");
            BalanceCase.Near(decision.Weights, golden.Numbers["routing_weights"], "routing_weights");
            BalanceCase.Near(gate.Weight.grad!, golden.Numbers["grad_loss.w_gate"].t(), "w_gate");
            BalanceCase.Near(gate.NoiseWeight!.grad!, golden.Numbers["grad_loss.w_noise"].t(), "w_noise");
            BalanceCase.Near(input.grad!, golden.Numbers["grad_loss.input"], "input");
            cases++;
        }
        cases.Should().BePositive();
    }

    /// <summary>Without noise load is a count, and all agrees.</summary>
    [Fact]
    public void Without_noise_davidmraus_layer_agrees_in_loss_and_gradients()
    {
        var cases = 0;
        foreach (var golden in BalanceCase.Where(golden => golden.ModelType == "davidmrau_moe" && !golden.IsNoisy))
        {
            using var scope = NewDisposeScope();
            using var gate = golden.NoisyGate("input_size", "num_experts", "k");
            var input = golden.Numbers["input"].requires_grad_();
            using var decision = gate.Route(input);
            var importance = new ImportanceLoss(ImportanceOptions.FastMoe).Of(decision);
            var load = new SmoothLoadLoss(SmoothLoadOptions.FastMoe).Of(decision);
            var loss = (importance + load) * golden.Losses.GetProperty("loss_coef").GetDouble();
            loss.backward();

            BalanceCase.Near(importance, golden.Losses.GetProperty("cv_squared_importance").GetDouble(), "importance");
            BalanceCase.Near(load, golden.Losses.GetProperty("cv_squared_load").GetDouble(), "load");
            BalanceCase.Near(loss, golden.Losses.GetProperty("loss").GetDouble(), "loss");
            BalanceCase.Near(gate.Weight.grad!, golden.Numbers["grad_loss.w_gate"].t(), "w_gate");
            BalanceCase.Near(input.grad!, golden.Numbers["grad_loss.input"], "input");
            cases++;
        }
        cases.Should().BePositive();
    }

    /// <summary>
    /// In training importance agrees. Their load does not, and should not: thresholds are taken from a softmax, and noisy and clean logits compared with them (issues 31 and
    /// 32 of davidmrau/mixture-of-experts). With the mistake in, the formula gives their numbers.
    /// </summary>
    [Fact]
    public void Thresholds_in_the_wrong_domain_are_what_davidmraus_load_differs_by()
    {
        var cases = 0;
        foreach (var golden in BalanceCase.Where(golden => golden.ModelType == "davidmrau_moe" && golden.IsNoisy))
        {
            using var scope = NewDisposeScope();
            using var gate = golden.NoisyGate("input_size", "num_experts", "k");
            using var decision = gate.Route(golden.Numbers["input"]);
            var noisy = golden.Numbers["noisy_logits"];

            BalanceCase.Near(new ImportanceLoss(ImportanceOptions.FastMoe).Of(decision), golden.Losses.GetProperty("cv_squared_importance").GetDouble(), "importance");
            BalanceCase.Near(decision.NoiseDeviation!, golden.Numbers["noise_stddev"], "noise_stddev");
            BalanceCase.Near(Load(golden, noisy.softmax(1)), golden.Numbers["load"], "load, with thresholds from a softmax");

            var load = new SmoothLoadLoss(SmoothLoadOptions.FastMoe).ValueOf(decision);
            var right = Compare.Doubles(Load(golden, noisy));
            load.Should().BeApproximately(ImportanceLossTests.SquaredVariation(right, unbiased: true), 1e-5);
            load.Should().NotBeApproximately(golden.Losses.GetProperty("cv_squared_load").GetDouble(), 1e-3);
            cases++;
        }
        cases.Should().BePositive();

        static Tensor Load(BalanceCase golden, Tensor thresholds)
        {
            var topK = golden.Config.GetProperty("k").GetInt32();
            var best = thresholds.topk(topK + 1, dim: 1, largest: true, sorted: true).values;
            var threshold = best.narrow(1, topK, 1).where(golden.Numbers["noisy_logits"].gt(best.narrow(1, topK, 1)), best.narrow(1, topK - 1, 1));
            var z = (golden.Numbers["router_logits"] - threshold) / golden.Numbers["noise_stddev"];
            return (0.5 * (1 + (z / Math.Sqrt(2)).erf())).sum(dim: 0);
        }
    }
}
