using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts that are not modules, the user's own ones, and experts that break their contract.</summary>
public sealed class MixtureOfExpertsMixedTests
{
    [Fact]
    public void The_gate_learns_through_experts_that_autograd_does_not_know()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 3);
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(options, dtype: ScalarType.Float64),
                [new DelegateExpert(4, 4, rows => rows.sin() + 1), new ZeroExpert(4, 4), new ThirdOfSum()]),
            2);
        var x = Make.Normal(4, 8, 4);
        Tensor Constants(Tensor input) => Textbook.Mixture(
            input, layer.Network.Weight, null,
            [row => row.detach().sin() + 1, row => row.detach() * 0, row => (row.detach().sum(dim: 1, keepdim: true) / 3).expand(1, 4)],
            options);

        Compare.Close(layer.forward(x), Constants(x), 1e-12);
        var gradients = Make.Gradients(layer, x, layer.forward);
        Make.SameGradients(gradients, Make.Gradients(layer, x, Constants), 1e-12);
        gradients["gate.weight"].abs().max().item<double>().Should().BeGreaterThan(0.01);
    }

    [Fact]
    public void A_rule_with_weights_that_want_gradients_stays_a_constant()
    {
        using var scope = NewDisposeScope();
        var outside = Make.Normal(1, 4, 4).requires_grad_();
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Make.Options(experts: 1, topK: 1), dtype: ScalarType.Float64),
                [new DelegateExpert(4, 4, rows => rows.requires_grad || is_grad_enabled() ? throw new InvalidOperationException() : rows.matmul(outside))]),
            1);

        layer.forward(Make.Normal(4, 8, 4)).sum().backward();

        (outside.grad is null).Should().BeTrue();
    }

    [Fact]
    public void A_rule_may_answer_in_another_type_or_with_what_it_got()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Make.Options(experts: 3, topK: 3), dtype: ScalarType.Float64),
                [new DelegateExpert(4, 4, rows => rows.gt(0)), new DelegateExpert(4, 4, rows => rows), new DelegateExpert(4, 4, rows => rows.to(ScalarType.Float32))]),
            1);
        var x = Make.Normal(4, 8, 4);
        using var decision = layer.Gate.Route(x);
        var w = decision.Weights;

        var expected = w.narrow(1, 0, 1) * x.gt(0).to(ScalarType.Float64) + w.narrow(1, 1, 1) * x + w.narrow(1, 2, 1) * x.to(ScalarType.Float32).to(ScalarType.Float64);
        Compare.Close(layer.forward(x), expected, 1e-14);
        x.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void A_module_that_is_no_function_of_tensors_learns_as_well()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Filled(
            new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 2), dtype: ScalarType.Float64), [new PlainModuleExpert(), new IdentityExpert(4)]),
            1);

        var gradients = Make.Gradients(layer, Make.Normal(4, 8, 4), layer.forward);

        gradients["experts.0.linear.weight"].abs().max().item<double>().Should().BeGreaterThan(0.01);
    }

    [Fact]
    public void Each_expert_runs_once_on_all_its_rows_and_one_without_rows_not_at_all()
    {
        using var scope = NewDisposeScope();
        var calls = new List<(int Expert, long Rows)>();
        DelegateExpert Spy(int index) => new(4, 4, rows =>
        {
            calls.Add((index, rows.size(0)));
            return rows.clone();
        });
        using var gate = new GatingNetwork(Make.Options(experts: 3, topK: 1), dtype: ScalarType.Float64);
        using (no_grad())
            gate.Weight.copy_(tensor(new double[] { 1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0 }).reshape(3, 4));
        using var layer = new MixtureOfExperts(gate, [Spy(0), Spy(1), Spy(2)]);

        layer.forward(tensor(new double[] { 1, 2, -1, 3, -2, 1 }).unsqueeze(1).expand(6, 4)).Dispose();

        calls.Should().Equal((0, 4), (1, 2));
    }

    public static TheoryData<string, Func<Tensor, Tensor>> WrongAnswers() => new()
    {
        { "[3, 4]", rows => rows.narrow(0, 0, rows.size(0) - 1) },
        { "[4, 3]", rows => rows.narrow(1, 0, 3) },
        { "[16]", rows => rows.reshape(-1) },
        { "null", _ => null! },
        { "a disposed tensor", Disposed },
    };

    [Theory]
    [MemberData(nameof(WrongAnswers))]
    public void A_wrong_answer_is_refused_by_name_and_the_layer_works_on(string got, Func<Tensor, Tensor> wrong)
    {
        using var scope = NewDisposeScope();
        var probe = new ProbeModule(rows => rows * 2);
        Func<Tensor, Tensor> current = rows => rows * 3;
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Make.Options(experts: 2, topK: 2), dtype: ScalarType.Float64),
                [probe, new DelegateExpert(4, 4, rows => current(rows))]),
            1);
        var x = Make.Normal(1, 4, 4);
        using var before = layer.forward(x);

        probe.Answer = wrong;
        LiveTensors.After(() => layer.Invoking(l => l.forward(x)).Should().Throw<InvalidOperationException>()
            .WithMessage($"Expert 0 (ProbeModule) must answer [4, 4] to rows [4, 4], but gave {got}.")).Should().Be(0);
        probe.Answer = rows => rows * 2;
        current = wrong;
        layer.Invoking(l => l.forward(x)).Should().Throw<InvalidOperationException>()
            .WithMessage($"Expert 1 (DelegateExpert) must answer [4, 4] to rows [4, 4], but gave {got}.");
        current = rows => rows * 3;

        Compare.SameBits(layer.forward(x), before);
    }

    [Fact]
    public void An_exception_in_an_expert_comes_out_as_it_is_and_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        var probe = new ProbeModule(rows => rows * 2);
        using var layer = Make.Filled(
            new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 2, topK: 2), dtype: ScalarType.Float64), [new IdentityExpert(4), probe]), 1);
        var x = Make.Normal(1, 4, 4);
        probe.Answer = _ => throw new TimeZoneNotFoundException("mine");

        LiveTensors.After(() =>
        {
            layer.Invoking(l => l.forward(x)).Should().Throw<TimeZoneNotFoundException>().WithMessage("mine");
            using var pass = new RoutingPass();
            layer.Invoking(l => l.forward(x, pass)).Should().Throw<TimeZoneNotFoundException>();
            pass.Layers.Should().ContainSingle("the decision had been made");
            layer.Invoking(l => l.ForwardWithRouting(x)).Should().Throw<TimeZoneNotFoundException>();
        }).Should().Be(0);
    }

    [Fact]
    public void Hooks_on_a_module_expert_run()
    {
        using var scope = NewDisposeScope();
        var probe = new ProbeModule(rows => rows * 2);
        var seen = 0L;
        probe.register_forward_hook((_, input, output) =>
        {
            seen = input.size(0);
            return output;
        });
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 1, topK: 1), dtype: ScalarType.Float64), [probe]);

        layer.forward(Make.Normal(1, 5, 4)).Dispose();

        seen.Should().Be(5);
    }

    private static Tensor Disposed(Tensor rows)
    {
        var answer = rows.clone();
        answer.Dispose();
        return answer;
    }
}
