using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Routers that look ahead, and models that must not.</summary>
public sealed partial class TrainerTests
{
    private static readonly GatingOptions Limited = Make.Gating with { Capacity = new CapacityOptions { Factor = 1.25 }, TopK = 1 };

    [Fact]
    public void Every_router_that_looks_ahead_is_refused_by_name_for_a_model_that_must_not()
    {
        using var model = new Probe(
            Make.Mixture(1),
            Make.Mixture(2, PublishedGates.ExpertChoice(4, 4)),
            Make.Mixture(3, Limited with { TopK = 2 }),
            new MixtureOfExperts(
                new SoftRouter(new SoftRouterOptions { InputWidth = 4, ExpertCount = 2, SlotsPerExpert = 1 }, dtype: ScalarType.Float64),
                [new LinearExpert(4, 4, dtype: ScalarType.Float64), new LinearExpert(4, 4, dtype: ScalarType.Float64)]));

        var build = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Autoregressive = true });

        build.Should().Throw<ArgumentException>().WithParameterName("model").Which.Message.Should().Be(
            "Where a token goes depends on later tokens in layers.1.gate (ExpertChoiceSelection), layers.2.gate (full experts drop by ChoiceThenPosition at top-2), "
            + "layers.3.gate (SoftRouter). A model that predicts a sequence token by token would learn from what it is to predict, and cannot route so when it generates. "
            + "Use causal routers, or leave Autoregressive false. (Parameter 'model')");
        FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy)).Should().NotThrow();
    }

    [Fact]
    public void Causal_routers_may_be_trained_autoregressively()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2, Limited), Make.Linear(4, 3));

        var result = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1, Autoregressive = true }).Fit(Make.Clusters());

        result.Steps.Should().Be(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_schedule_that_makes_a_router_look_ahead_ends_training_before_the_step(bool autoregressive)
    {
        using var model = new Probe(Make.Mixture(1, Limited), Make.Linear(4, 3));
        Dictionary<string, string> last = [];
        var recorder = new Recorder { AtStep = _ => last = State.Of(model) };
        var options = new TrainerOptions { Epochs = 1, BatchSize = 10, Autoregressive = autoregressive, TopK = new Schedule(step => step < 3 ? 1 : 2) };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        if (!autoregressive)
        {
            fit.Should().NotThrow();
            return;
        }
        fit.Should().Throw<InvalidOperationException>().WithMessage(
            "Step 3: Where a token goes depends on later tokens in layers.0.gate (full experts drop by ChoiceThenPosition at top-2).*");
        recorder.Steps.Should().HaveCount(3);
        State.Of(model).Should().Equal(last);
    }
}
