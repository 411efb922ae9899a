using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What published layers got wrong around the router, each named after it.</summary>
public sealed class LayerBugs
{
    // huggingface/transformers #33969
    [Fact]
    public void Jitter_leaked_into_what_the_experts_see()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Options(2, 2) with { InputJitter = 0.9 }, dtype: ScalarType.Float64), [new IdentityExpert(4), new IdentityExpert(4)], [new IdentityExpert(4)]);
        var x = Make.Normal(1, 20, 4);

        // Weights sum to 1, so that experts that answer with their input give the input, and the shared one gives it once more.
        Compare.Close(layer.forward(x), 2 * x, 1e-14);
    }

    // NVIDIA/Megatron-LM #1984, #2121, #5542; pytorch/torchtitan #4594
    [Fact]
    public void Padding_was_routed()
    {
        using var scope = NewDisposeScope();
        var rows = 0L;
        ProbeModule Probe() => new(input =>
        {
            rows += input.size(0);
            return input * 2;
        });
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(2, 1), dtype: ScalarType.Float64), [Probe(), Probe()]);
        var x = Make.Normal(1, 9, 4);
        var mask = Make.Mask(1, 0, 0, 1, 1, 0, 1, 0, 0);
        using var result = layer.ForwardWithRouting(x, mask);

        rows.Should().Be(4);
        result.Routing.Assigned.Sum().Should().Be(4);
        Compare.Close(result.Output, 2 * x * mask.unsqueeze(-1), 1e-14);
    }

    // pytorch/torchtitan #1166
    [Fact]
    public void An_expert_without_tokens_hung_the_layer()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            Direct.Gate(Direct.Options(4, 1)),
            [.. StackedExperts.FeedForward(2, Make.FeedForward(), dtype: ScalarType.Float64), new LinearExpert(4, 4, dtype: ScalarType.Float64), new ThirdOfSum()]);
        var gradients = Make.Gradients(layer, Direct.Repeated(5, 0, 3, 0, 0), layer.forward);

        Compare.Doubles(gradients["experts.0.up_weight"][0]).Should().OnlyContain(value => value == 0);
        Compare.Doubles(gradients["experts.0.up_weight"][1]).Should().Contain(value => value != 0);
        Compare.Doubles(gradients["experts.2.weight"]).Should().OnlyContain(value => value == 0);
    }

    // pytorch/torchtitan #1246
    [Fact]
    public void All_tokens_went_to_one_expert_and_nothing_said_so_or_drove_them_apart()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 1));
        var z = Direct.Repeated(10, 2, 0, 0, 0);
        using var decision = gate.Route(z);

        decision.Load.Should().Equal(10, 0, 0, 0);
        LoadBalance.Loss(decision).item<double>().Should().BeGreaterThan(2);
        gate.zero_grad();
        LoadBalance.Loss(decision).backward();
        // Descending lowers the logit of the busy expert on these tokens and raises the others'.
        var slope = Compare.Doubles(gate.Weight.grad!.matmul(tensor(new double[] { 2, 0, 0, 0 })));
        slope[0].Should().BePositive();
        slope[1..].Should().OnlyContain(value => value < 0);
    }

    // pytorch/torchtitan #1593, #4772: activations computed twice to save memory were counted twice
    [Fact]
    public void A_forward_pass_that_was_run_again_counted_twice()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var x = Make.Normal(1, 6, 4);
        using var pass = new RoutingPass();

        using var first = layer.forward(x, pass);
        using var again = layer.forward(x);

        Compare.SameBits(again, first);
        pass.Layers.Should().ContainSingle().Which.Decision.Load.Sum().Should().Be(12);
    }

    // huggingface/transformers #33463: tokens and hidden width changed places on the way back
    [Theory]
    [InlineData(1, 3, 5)]
    [InlineData(3, 1, 5)]
    [InlineData(2, 5, 5)]
    public void Answers_came_back_to_other_tokens_when_capacity_was_full(int sequences, int length, int experts)
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            Direct.Gate(PublishedGates.Switch(experts, experts) with { InputJitter = 0, Capacity = new() { Fixed = 1 } }),
            [.. Enumerable.Range(0, experts).Select(_ => new IdentityExpert(experts))]);
        var x = Make.Normal(1, sequences, length, experts);
        using var result = layer.ForwardWithRouting(x);

        var flat = x.reshape(-1, experts);
        Compare.Close(result.Output.reshape(-1, experts), flat * flat.softmax(1).amax([1], keepdim: true) * result.Routing.Kept, 1e-14);
    }
}
