using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>What is refused, and in which words.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void All_that_is_wrong_with_the_options_is_in_one_message()
    {
        using var model = Make.Linear(4, 2);
        var options = new TrainerOptions
        {
            Epochs = 0,
            BatchSize = -1,
            AccumulationSteps = 0,
            Lambda = null!,
            MaxGradientNorm = 0,
            EarlyStoppingPatience = 0,
            OnNonFinite = (NonFiniteAction)7,
            Metrics = [Metric.Accuracy, Metric.Accuracy],
            Monitor = Metric.MeanAbsoluteError,
        };

        var build = () => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options);

        build.Should().Throw<ArgumentException>().WithParameterName("options").Which.Message.Should().Be(
            "TrainerOptions is not valid: Epochs (0) must be at least 1. BatchSize (-1) must be at least 1. AccumulationSteps (0) must be at least 1. "
            + "Lambda (null) must be a schedule or a number. MaxGradientNorm (0) must be positive and finite, or null. "
            + "EarlyStoppingPatience (0) must be at least 1, or null. OnNonFinite (7) must be Stop or SkipStep. "
            + "Monitor (mean_absolute_error) must be one of Metrics (accuracy, accuracy). "
            + "Metrics must have different names, but accuracy is there more than once. (Parameter 'options')");
        foreach (var metrics in new IReadOnlyList<Metric>[] { null!, [null!] })
        {
            FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, new TrainerOptions { Metrics = metrics }))
                .Should().Throw<ArgumentException>().WithMessage("*Metrics must be a list without null, each with a name and a function.*");
        }
    }

    [Fact]
    public void Keeping_the_best_and_stopping_early_need_validation_data()
    {
        using var model = Make.Linear(4, 2);
        foreach (var options in new TrainerOptions[] { new() { KeepBest = true }, new() { EarlyStoppingPatience = 3 } })
        {
            var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options);
            trainer.Invoking(t => t.Fit(Make.Curve())).Should().Throw<ArgumentException>().WithParameterName("validation")
                .WithMessage($"KeepBest ({options.KeepBest}) and EarlyStoppingPatience ({options.EarlyStoppingPatience}) need validation data, but there is none.*");
        }
    }

    [Fact]
    public void Null_is_refused_everywhere()
    {
        using var model = Make.Linear(4, 2);
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError);

        Refused(() => new Trainer(null!, Make.Sgd(), TaskLosses.MeanSquaredError), "model");
        Refused(() => new Trainer(model, null!, TaskLosses.MeanSquaredError), "optimizer");
        Refused(() => new Trainer(model, Make.Sgd(), null!), "loss");
        Refused(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, null, null!), "callbacks");
        Refused(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, null, [null!]), "callbacks");
        Refused(() => trainer.Fit(null!), "training");
        Refused(() => trainer.Evaluate(null!), "data");
        Refused(() => trainer.Predict(null!), "inputs");

        static void Refused(Func<object> action, string parameter) => action.Should().Throw<ArgumentException>().WithParameterName(parameter);
    }

    [Fact]
    public void A_mixture_that_no_pass_would_reach_is_refused_by_name()
    {
        using var hidden = new RoutedSequential(nn.Sequential(Make.Mixture()), Make.Linear(4, 3));
        using var plain = nn.Sequential(Make.Mixture());
        using var nested = new MixtureOfExperts(
            new GatingNetwork(Make.Gating with { ExpertCount = 1, TopK = 1 }, dtype: ScalarType.Float64), [new ModuleExpert(nn.Sequential(Make.Mixture()), 4, 4)]);

        Refusal(hidden).Should().Be(
            "The mixture of experts 0.0 lies in 0 (Sequential), which does not hand on a RoutingPass, so that its balance would be lost. "
            + "Let that module implement IRoutedModule, or use RoutedSequential instead of Sequential.");
        Refusal(plain).Should().StartWith("The mixture of experts 0 lies in model (Sequential), which does not");
        Refusal(nested).Should().StartWith("The mixture of experts experts.0.module.0 lies in experts.0.module (Sequential), which does not");

        static string Refusal(nn.Module<Tensor, Tensor> model) =>
            FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy)).Should().Throw<ArgumentException>().Which.Message;
    }

    [Fact]
    public void Mixtures_inside_experts_are_reported_beside_the_one_around_them()
    {
        using var model = new MixtureOfExperts(
            new GatingNetwork(Make.Gating with { ExpertCount = 2 }, dtype: ScalarType.Float64),
            [Make.Mixture(1), new ModuleExpert(Make.Mixture(2), 4, 4)]);

        var report = new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }).Fit(Make.Clusters()).Epochs.Single();

        report.Routing.Keys.Should().BeEquivalentTo("model", "experts.0", "experts.1.module");
    }

    [Fact]
    public void A_model_of_ones_own_with_a_list_of_layers_works()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));

        var report = new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }).Fit(Make.Clusters()).Epochs.Single();

        report.Routing.Keys.Should().Equal("layers.0", "layers.1");
        report.Routing.Values.Should().OnlyContain(routing => routing.Tokens == 60);
    }
}
