using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class MixtureLayerTests
{
    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-5)]
    public void A_layer_answers_as_the_mixture_does_dense_and_sparse(ScalarType type, double error)
    {
        using var scope = NewDisposeScope();
        var mixture = Mixture();
        var rows = GradientCases.Bent(50, 2).Inputs;
        foreach (var asked in new[] { mixture, mixture.WithTopK(1), mixture.WithTopK(2) })
        {
            using var layer = MixtureLayer.From(asked, type);
            using var answer = layer.call(rows.to(type));
            answer.dtype.Should().Be(type);
            answer.to(ScalarType.Float64).sub(asked.forward(rows)).abs().max().item<double>().Should().BeLessThan(error);
        }
    }

    [Fact]
    public void A_constant_gate_becomes_a_bias_and_a_network_is_refused()
    {
        using var scope = NewDisposeScope();
        var given = Mixture();
        var even = new FittedMixture(given.Components, new ConstantGate([0.5, 0.25, 0.25], 2), null, ResponseKind.Real);
        using var layer = MixtureLayer.From(even);
        var rows = GradientCases.Bent(10, 2).Inputs;
        layer.call(rows).sub(even.forward(rows)).abs().max().item<double>().Should().BeLessThan(1e-12);
        var scales = new NetworkScales([0, 0], [1, 1], 0, 1);
        var network = () => MixtureLayer.From(new FittedMixture(given.Components, new ModuleGate(nn.Linear(2, 3, dtype: ScalarType.Float64), scales, 3, 1, null), null, ResponseKind.Real));
        network.Should().Throw<ArgumentException>().WithMessage("*got a ModuleGate*");
        var half = () => MixtureLayer.From(given, ScalarType.Float16);
        half.Should().Throw<ArgumentException>().WithMessage("Expected Float64 or Float32*");
    }

    [Fact]
    public void Gradients_flow_where_the_flags_say()
    {
        using var scope = NewDisposeScope();
        var network = new ModuleExpert(nn.Linear(2, 1, dtype: ScalarType.Float64), 2, 1);
        var rule = new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).clone());
        MixtureComponent[] components = [new("network", network, new GaussianNoise(1)), new("rule", rule, new GaussianNoise(1))];
        MixtureLayer.FlowOf(components[0]).Should().Be(GradientFlow.ToParameters | GradientFlow.ToInput);
        MixtureLayer.FlowOf(components[1]).Should().Be(GradientFlow.None);
        using var layer = MixtureLayer.From(new FittedMixture(components, new ConstantGate([0.5, 0.5], 2), null, ResponseKind.Real));
        layer.call(ones(3, 2, dtype: ScalarType.Float64)).sum().backward();
        network.Module.parameters().All(parameter => parameter.grad is not null).Should().BeTrue();
        ((GatingNetwork)layer.Gate).Bias!.grad!.abs().sum().item<double>().Should().BePositive();
    }

    [Fact]
    public void Experts_of_every_kind_can_be_fixed_members()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(80, 2);
        IExpert[] experts =
        [
            new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).abs()),
            new ModuleExpert(nn.Linear(2, 1), 2, 1),
            new FeedForwardExpert(new FeedForwardOptions { InputWidth = 2, HiddenWidth = 3, OutputWidth = 1 }),
        ];
        foreach (var parameter in experts.OfType<nn.Module>().SelectMany(module => module.parameters()))
            nn.init.constant_(parameter, 0.1);
        var members = experts.Select((expert, place) => new MixtureMember($"expert {place}", expert)).ToArray();
        var start = tensor(new double[] { 0.8, 0.1, 0.1 }).expand(80, 3).contiguous();
        var mixture = new MixtureLearner(members, new EmOptions { OnSmall = OnSmall.Keep, GateRidge = 0 }).Fit(data, responsibilities: start);
        var alone = new MixtureLearner([members[0]]).Fit(data).LogLikelihood(data);
        mixture.Components.Should().OnlyContain(component => component.IsFixed);
        mixture.LogLikelihood(data).Should().BeGreaterThan(alone + (80 * Math.Log(0.8)), "so likely are the rows at the start, and EM does not fall");
    }

    private static FittedMixture Mixture()
    {
        MixtureComponent[] components =
        [
            new("wide", new DelegateExpert(2, 1, rows => rows.sum(1, keepdim: true)), new GaussianNoise(1)),
            new("narrow", new DelegateExpert(1, 1, rows => rows.mul(rows)), new GaussianNoise(2), [1]),
            new("flat", new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).mul(0).add(3)), new GaussianNoise(2)),
        ];
        return new FittedMixture(components, new SoftmaxGate(tensor(new double[] { 0, 0, 0.3, 1, 0.1, -0.7 }, 3, 2)), [1], ResponseKind.Real, inputWidth: 2);
    }
}
