using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The one step for stacks of SwiGLUs gives what the steps one after the other give, forward and backward.</summary>
public sealed class SwiGluMixtureTests
{
    /// <summary>The same function under another name is not recognised, and goes the general way.</summary>
    private static readonly Activation Unrecognised = new("SiLU by another name", x => nn.functional.silu(x));

    private static readonly CapacityOptions Tight = new() { Factor = 0.7, EvaluationFactor = 0.7, Dropped = DroppedTokens.PassThrough };

    /// <summary>Few rows an expert, many, some of each; all experts asked, most idle.</summary>
    public static TheoryData<int, int, int, int> Sizes { get; } = new()
    {
        { 1, 1, 8, 2 }, { 2, 3, 16, 1 }, { 3, 60, 16, 4 }, { 4, 150, 4, 2 }, { 5, 90, 6, 3 }, { 6, 40, 2, 2 }, { 7, 33, 1, 1 }, { 8, 64, 64, 8 }, { 9, 300, 3, 2 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Agrees_with_the_general_way_in_Float64(int seed, int tokens, int experts, int topK) =>
        SameAsGeneral(seed, tokens, experts, topK, ScalarType.Float64, null, 1e-12);

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Agrees_with_the_general_way_in_Float32(int seed, int tokens, int experts, int topK) =>
        SameAsGeneral(seed, tokens, experts, topK, ScalarType.Float32, null, 2e-5);

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Leaves_out_padding_and_what_is_full(int seed, int tokens, int experts, int topK) =>
        SameAsGeneral(seed, tokens, experts, topK, ScalarType.Float32, Tight, 2e-5, padding: tokens / 3);

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Is_about_as_near_to_the_truth_in_BFloat16_as_the_general_way(int seed)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(seed, 4, 2, ScalarType.BFloat16, Activation.Silu, null);
        using var general = Layer(seed, 4, 2, ScalarType.BFloat16, Unrecognised, null);
        using var truth = Layer(seed, 4, 2, ScalarType.Float64, Activation.Silu, null);
        truth.load_state_dict(layer.state_dict());
        var x = Make.Normal(seed + 50, ScalarType.BFloat16, 200, 8);
        var (fused, other, exact) = (Gradients(layer, x), Gradients(general, x), Gradients(truth, x.to(ScalarType.Float64)));

        foreach (var (name, expected) in exact)
            Error(fused[name], expected).Should().BeLessThanOrEqualTo(1.5 * Error(other[name], expected), "of {0}", name);

        static Dictionary<string, Tensor> Gradients(MixtureOfExperts mixture, Tensor input) => new(Make.Gradients(mixture, input, mixture.forward)) { ["output"] = mixture.forward(input) };

        static double Error(Tensor actual, Tensor expected) => (actual.to(ScalarType.Float64) - expected).norm().item<double>();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Gradients_are_slopes(int seed)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(seed, 3, 2, ScalarType.Float64, Activation.Silu, null, width: 4);
        var (x, direction) = (Make.Normal(seed + 5, 6, 4).requires_grad_(), Make.Normal(seed + 6, 6, 4));

        GradCheck.Verify(
            () => (layer.forward(x) * direction).sum(),
            [.. layer.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)), ("x", x)],
            choices: () => layer.Gate.Route(x).Indices);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-4)]
    public void Has_gradients_of_gradients(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(4, 4, 2, type, Activation.Silu, null);
        using var general = Layer(4, 4, 2, type, Unrecognised, null);
        var x = Make.Normal(9, type, 10, 8);

        Penalty(layer).Zip(Penalty(general)).Should().AllSatisfy(pair => Compare.Close(pair.First, pair.Second, tolerance * pair.Second.abs().max().to(ScalarType.Float64).item<double>()));

        Tensor[] Penalty(MixtureOfExperts mixture)
        {
            var input = x.clone().requires_grad_();
            var slope = autograd.grad([mixture.forward(input).square().sum()], [input], retain_graph: true, create_graph: true)[0];
            slope.square().sum().backward();
            return [input.grad!, .. mixture.named_parameters().Select(pair => pair.parameter.grad!)];
        }
    }

    [Theory]
    [InlineData("gate_up_weight")]
    [InlineData("down_weight")]
    [InlineData("gate.weight")]
    public void What_is_frozen_gets_no_gradient_and_the_rest_its_own(string frozen)
    {
        using var scope = NewDisposeScope();
        foreach (var tokens in new[] { 20, 200 })
        {
            using var layer = Layer(5, 4, 2, ScalarType.Float32, Activation.Silu, null);
            var x = Make.Normal(3, ScalarType.Float32, tokens, 8);
            var all = Make.Gradients(layer, x, layer.forward);
            foreach (var (name, parameter) in layer.named_parameters())
                parameter.requires_grad = !name.EndsWith(frozen, StringComparison.Ordinal);

            layer.zero_grad();
            layer.forward(x).mul(Make.Normal(99, ScalarType.Float32, tokens, 8)).sum().backward();

            foreach (var (name, parameter) in layer.named_parameters())
            {
                if (parameter.requires_grad)
                    Compare.SameBits(parameter.grad!, all[name], name);
                else
                    parameter.grad.Should().BeNull("{0} is frozen", name);
            }
        }
    }

    [Fact]
    public void A_gradient_becomes_that_of_the_parameter_without_a_copy_and_idle_experts_get_zeros()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(6, 32, 1, ScalarType.Float32, Activation.Silu, null);

        layer.forward(Make.Normal(1, ScalarType.Float32, 3, 8)).square().mean().backward();

        var gradient = layer.get_parameter("experts.0.gate_up_weight")!.grad!;
        gradient.isfinite().all().item<bool>().Should().BeTrue();
        gradient.abs().sum([1, 2]).ne(0).sum().item<long>().Should().BeInRange(1, 3);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(300)]
    public void Gives_the_same_bits_with_any_number_of_threads(int tokens)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(7, 8, 2, ScalarType.Float32, Activation.Silu, null, width: 64, hidden: 400);
        var x = Make.Normal(2, ScalarType.Float32, tokens, 64);
        var first = Make.Gradients(layer, x, layer.forward);
        for (var round = 0; round < 5; round++)
        {
            var again = Make.Gradients(layer, x, layer.forward);
            foreach (var (name, gradient) in first)
                Compare.SameBits(again[name], gradient, name);
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Loops_and_products_of_torch_agree(int seed, int tokens, int experts, int topK)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var layer = Layer(seed, experts, topK, ScalarType.Float32, Activation.Silu, null, width: 24, hidden: 40);
        var x = Make.Normal(seed, ScalarType.Float32, tokens, 24);
        var decision = layer.Gate.Route(x);
        var call = new SwiGluCall(
            x, decision.Weights, layer.get_parameter("experts.0.gate_up_weight")!, layer.get_parameter("experts.0.down_weight")!, new FusedPlan(decision, AssignmentOrder.Of(decision)));
        call.ByLoops.Should().BeTrue();
        var gradient = Make.Normal(seed + 1, ScalarType.Float32, tokens, 24);

        Results(byLoops: true).Zip(Results(byLoops: false)).Should().AllSatisfy(pair => Compare.Close(pair.First, pair.Second, 1e-5 * Math.Max(1, pair.Second.abs().max().to(ScalarType.Float64).item<double>())));

        Tensor[] Results(bool byLoops)
        {
            var (answers, kept) = (empty(call.Plan.Rows, 24), SwiGluMixture.NewKept(call));
            var into = new SwiGluGradients(empty_like(call.In), empty_like(call.Out), empty(call.Plan.Rows), WantsRows: true);
            if (byLoops)
                FloatExperts.Forward(call, kept, answers);
            else
                TorchExperts.Forward(call, kept, answers);
            var rows = byLoops ? FloatExperts.Backward(call, gradient, kept, into) : TorchExperts.Backward(call, gradient, kept, into);
            return [answers, rows!, into.In!, into.Out!, into.WeightOfRow];
        }
    }

    [Fact]
    public void More_numbers_than_an_array_has_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(1, 4, 2, ScalarType.Float32, Activation.Silu, null);
        var x = Make.Normal(1, ScalarType.Float32, 3, 8);
        var decision = layer.Gate.Route(x);
        var plan = new FusedPlan(decision, AssignmentOrder.Of(decision));

        SwiGluCall Call(long hidden) => new(x, decision.Weights, empty(4, 2 * hidden, 8, device: META), empty(4, 8, hidden, device: META), plan);

        Call(1000).ByLoops.Should().BeTrue();
        Call(1L << 28).ByLoops.Should().BeFalse("6 rows of 2 · 2²⁸ numbers are more than 2³⁰");
    }

    /// <summary>A user's router may weigh Float32 tokens in Float64.</summary>
    [Fact]
    public void Takes_weights_in_Float64_for_tokens_in_Float32()
    {
        using var scope = NewDisposeScope();
        var logits = Make.Normal(3, 9, 4).requires_grad_();
        var (fused, general) = (Answer(Activation.Silu), Answer(Unrecognised));

        Compare.Close(fused.Output, general.Output, 1e-5);
        Compare.Close(fused.Gradient, general.Gradient, 1e-5);

        (Tensor Output, Tensor Gradient) Answer(Activation activation)
        {
            var options = new GatedFeedForwardOptions { InputWidth = 1, HiddenWidth = 10, Activation = activation };
            var layer = Make.Filled(new MixtureOfExperts(new FixedRouter(logits, topK: 2), StackedExperts.GatedFeedForward(4, options)), 5);
            var output = layer.forward(Make.Normal(4, ScalarType.Float32, 9, 1));
            return (output, autograd.grad([output.square().sum()], [logits])[0]);
        }
    }

    [Fact]
    public void Leaves_nothing_behind()
    {
        using var layer = Layer(8, 8, 2, ScalarType.Float32, Activation.Silu, null);
        using var x = Make.Normal(2, ScalarType.Float32, 50, 8);

        LiveTensors.After(() =>
        {
            using var scope = NewDisposeScope();
            layer.zero_grad();
            layer.forward(x).square().mean().backward();
        }).Should().Be(0);
        LiveTensors.After(() => layer.forward(x).Dispose()).Should().Be(0);
    }

    [Fact]
    public void Takes_tokens_that_are_not_contiguous_and_gradients_that_are_one_number()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(9, 4, 2, ScalarType.Float32, Activation.Silu, null);
        var x = Make.Normal(2, ScalarType.Float32, 8, 30).t();

        var gradients = Make.Gradients(layer, x.contiguous(), layer.forward);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), gradients, 1e-5);
        layer.zero_grad();
        layer.forward(x).sum().backward();
        layer.named_parameters().Should().OnlyContain(pair => pair.parameter.grad!.isfinite().all().item<bool>());
    }

    private static void SameAsGeneral(int seed, int tokens, int experts, int topK, ScalarType type, CapacityOptions? capacity, double tolerance, int padding = 0)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(seed, experts, topK, type, Activation.Silu, capacity);
        using var general = Layer(seed, experts, topK, type, Unrecognised, capacity);
        var x = Make.Normal(seed + 50, type, tokens, 8);
        var mask = padding > 0 ? cat([ones(tokens - padding), zeros(padding)]).to(ScalarType.Bool) : null;

        Compare.Close(Answer(layer, x), Answer(general, x), tolerance, "the output");
        Make.SameGradients(Make.Gradients(layer, x, input => Answer(layer, input)), Make.Gradients(general, x, input => Answer(general, input)), tolerance * 10);

        Tensor Answer(MixtureOfExperts mixture, Tensor input) => mixture.ForwardWithRouting(input, mask).Output;
    }

    private static MixtureOfExperts Layer(
        int seed, int experts, int topK, ScalarType type, Activation activation, CapacityOptions? capacity, long width = 8, long hidden = 10)
    {
        var gate = new GatingNetwork(Make.Options(experts, topK, width) with { Capacity = capacity }, dtype: type);
        var options = new GatedFeedForwardOptions { InputWidth = width, HiddenWidth = hidden, Activation = activation };
        return Make.Filled(new MixtureOfExperts(gate, StackedExperts.GatedFeedForward(experts, options, dtype: type)), seed);
    }
}
