using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The noisy gate of FastMoE, without experts: weights, and what a gradient on them says about the gate.</summary>
public sealed class FastMoeGoldenTests
{
    public const string Kind = "fastmoe_noisy_gate";

    public static TheoryData<string> Cases => GoldenCase.Of(Kind);

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_noisy_gate_of_FastMoE_gives_the_numbers_of_its_authors(string folder)
    {
        using var scope = NewDisposeScope();
        Deviations(GoldenCase.Read(folder)).Should().NotContain(deviation => deviation.IsTooLarge);
    }

    internal static List<Deviation> Deviations(GoldenCase golden, Func<GatingOptions, GatingOptions>? change = null)
    {
        var (config, io) = (golden.Config, golden.Numbers);
        var options = PublishedGates.Shazeer(config.Number("d_model"), config.Number("num_expert"), config.Number("top_k"));
        options = options with { Noise = new LearnedNoise { Floor = config.Real("noise_epsilon") } };
        using var gate = new GatingNetwork(change is null ? options : change(options));
        gate.train(config.Flag("training"));
        if (io.TryGetValue("noise", out var noise))
            gate.Draws.Recorded = (kind, like) => kind == "normal" ? noise.reshape(like.shape) : null;
        WeightPart[] parts = [new("w_gate", "weight", weight => weight.t()), new("w_noise", "noise_weight", weight => weight.t())];
        WeightPart.Copy(parts, golden.Weights, gate.state_dict());

        var input = io["input"].detach().clone().requires_grad_();
        var decision = gate.Route(input);
        (InTheirOrder(decision, io["selected_experts"]) * io["grad_output"]).sum().backward();

        return
        [
            .. new RoutingComparison(decision, io).Deviations(),
            Deviation.Of("grad_input", input.grad!, io["grad_input"]),
            .. parts.Select(part => Deviation.Of($"grad.{part.Published}", gate.get_parameter(part.Ours)!.grad ?? zeros_like(gate.Weight), part.Theirs(io, "grad."))),
        ];
    }

    /// <summary>The weights of a decision for the experts in the order in which the publisher lists them, [T, K].</summary>
    private static Tensor InTheirOrder(RoutingDecision decision, Tensor selected) =>
        zeros(decision.TokenCount, decision.ExpertCount).scatter(1, decision.Indices, decision.Weights).gather(1, selected);
}
