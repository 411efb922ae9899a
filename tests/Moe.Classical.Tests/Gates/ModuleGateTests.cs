using Moe.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class ModuleGateTests : IDisposable
{
    private const string Named = "module gate tests";
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"moe-gate-{Guid.NewGuid():N}");

    public static TheoryData<string> Networks => ["linear", "plain", "nested", "every layer"];

    public void Dispose() => File.Delete(_file);

    [Theory]
    [MemberData(nameof(Networks))]
    public void A_network_of_well_known_layers_is_stored_with_its_mixture(string name)
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(40, 2);
        var mixture = Fit(data, GradientGate.Network((width, experts) => Make(name, width, experts)));
        ExpertFile.Save(_file, mixture);
        var read = (FittedMixture)ExpertFile.Load(_file);
        read.Gates(data.Inputs).data<double>().ToArray().Should().Equal(mixture.Gates(data.Inputs).data<double>().ToArray());
        read.Gate.Should().BeOfType<ModuleGate>().Which.DegreesOfFreedom.Should().Be(mixture.Gate.DegreesOfFreedom);
        mixture.Gates(data.Inputs).std(0).max().item<double>().Should().BePositive("a gate that says the same of all rows would show nothing");
        using var again = ((ModuleGate)read.Gate).ToState();
        StoredGates.Read(again).LogProbabilities(data.Inputs).equal(mixture.Gate.LogProbabilities(data.Inputs)).all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void A_network_of_ones_own_is_stored_by_the_name_of_its_factory()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(40, 2);
        var nameless = (ModuleGate)Fit(data, GradientGate.Network(Own.Of)).Gate;
        nameless.Invoking(gate => gate.ToState()).Should().Throw<NotSupportedException>().WithMessage("*a Own, cannot be stored*GradientGate.Network*NetworkFactories.Register*");

        var gate = (ModuleGate)Fit(data, GradientGate.Network(Own.Of, Named)).Gate;
        using var state = gate.ToState();
        var unknown = () => StoredGates.Read(state);
        unknown.Should().Throw<ArgumentException>().WithMessage($"*\"{Named}\"*");
        NetworkFactories.Register(Named, Own.Of);
        StoredGates.Read(state).LogProbabilities(data.Inputs).equal(gate.LogProbabilities(data.Inputs)).all().item<bool>().Should().BeTrue();
        FluentActions.Invoking(() => GradientGate.Network(Own.Of, " ")).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Reading_leaves_the_global_generator_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var state = ((ModuleGate)Fit(GradientCases.Bent(20, 2), GradientGate.Network((width, experts) => Make("plain", width, experts))).Gate).ToState();
        var before = random.get_rng_state();
        StoredGates.Read(state);
        random.get_rng_state().equal(before).all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void What_is_damaged_is_refused()
    {
        using var scope = NewDisposeScope();
        var scales = new NetworkScales([0, 0], [1, 1], 0, 1);
        Read(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 2))).Should().Throw<ArgumentException>().WithMessage("*do not fit together*");
        Read(nn.Sequential(nn.Linear(2, 3), nn.Tanh())).Should().Throw<ArgumentException>().WithMessage("*logits of 2 experts*");
        using var whole = new ModuleGate(Double(Make("plain", 2, 2)), scales, 2, 1, null).ToState();
        foreach (var gone in whole.Settings.Select(setting => setting.Key).ToArray())
        {
            using var partial = new ExpertState(whole.Kind);
            foreach (var (key, value) in whole.Settings.Where(setting => setting.Key != gone))
                partial.Set(key, value);
            partial.Add("network", NetworkLayers.ToState(Double(Make("plain", 2, 2)))!);
            FluentActions.Invoking(() => StoredGates.Read(partial)).Should().Throw<ArgumentException>("without {0}", gone);
        }

        Action Read(nn.Module<Tensor, Tensor> module) => () =>
        {
            using var state = new ModuleGate(Double(module), scales, 2, 1, null).ToState();
            StoredGates.Read(state);
        };
    }

    private static FittedMixture Fit(FitData data, GradientGate gate)
    {
        MixtureMember[] members = [new("line", new LinearLearner()), new("network", GradientCases.Line())];
        var mixture = new GradientMixtureLearner(members, new() { Epochs = 4, LastTemperature = 0.8 }, gate).Fit(data).Mixture;

        // Experts that can be stored, as it is the gate that is looked at.
        var line = mixture.Components[0].Expert;
        return new FittedMixture([new("line", line, new GaussianNoise(1)), new("again", line, new GaussianNoise(1))], mixture.Gate, null, ResponseKind.Real);
    }

    private static nn.Module<Tensor, Tensor> Double(nn.Module<Tensor, Tensor> module)
    {
        module.to(ScalarType.Float64);
        return module;
    }

    private static nn.Module<Tensor, Tensor> Make(string name, long width, long experts) => name switch
    {
        "linear" => nn.Linear(width, experts, hasBias: false),
        "plain" => nn.Sequential(nn.Linear(width, 5), nn.Tanh(), nn.Linear(5, experts)),
        "nested" => nn.Sequential(("body", nn.Sequential(("in", nn.Linear(width, 5)), ("bend", nn.SiLU()))), ("out", new LinearExpert(5, experts))),
        _ => nn.Sequential(
            nn.Linear(width, 6), nn.LayerNorm(6), nn.ReLU(), nn.Dropout(0.3), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.GELU(GELU.Approximate.tanh), nn.SiLU(), nn.Sigmoid(), nn.Identity(), nn.Softplus(2, 15),
            nn.GELU(), nn.Tanh(), nn.Linear(6, experts)),
    };

    /// <summary>A network with a way around.</summary>
    private sealed class Own : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _inner;
        private readonly Linear _outer;

        private Own(long width, long experts)
            : base(nameof(Own))
        {
            (_inner, _outer) = (nn.Linear(width, width), nn.Linear(width, experts));
            RegisterComponents();
        }

        public static nn.Module<Tensor, Tensor> Of(long width, long experts) => new Own(width, experts);

        public override Tensor forward(Tensor input) => _outer.call(input + _inner.call(input).tanh());
    }
}
