using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class NetworkLearnerTests
{
    [Fact]
    public void A_linear_network_comes_close_to_the_linear_model()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(100, 0.5).WithWeights(rand(100, dtype: ScalarType.Float64).add(0.1));
        var network = new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 800, BatchRows = 100, WeightDecay = 0, LearningRate = 0.02 }).Fit(data, FitContext.Default);
        var model = new LinearLearner().Fit(data, FitContext.Default);
        network.forward(data.Inputs).sub(model.forward(data.Inputs)).abs().max().item<double>().Should().BeLessThan(0.1);
        ((NetworkExpert)network).DegreesOfFreedom.Should().Be(3);
    }

    [Fact]
    public void The_seed_decides_and_the_scale_of_weights_does_not()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(30, 1).WithWeights(ones(30));
        double[] Answers(long seed, double scale)
        {
            return Learner(3).Fit(data.WithWeights(data.Weights! * scale), new() { Seed = seed }).forward(data.Inputs).data<double>().ToArray();
        }

        random.manual_seed(9);
        var first = rand(1).item<float>();
        random.manual_seed(9);
        var answers = Answers(1, 1);
        rand(1).item<float>().Should().Be(first, "the program's own draws go on as if there had been no fit");
        answers.Should().Equal(Answers(1, 8));
        answers.Should().NotEqual(Answers(2, 1));
    }

    [Theory]
    [InlineData(ResponseKind.Class)]
    [InlineData(ResponseKind.Count)]
    [InlineData(ResponseKind.Trials)]
    public void Other_kinds_of_response_are_fitted_by_their_likelihood(ResponseKind kind)
    {
        using var scope = NewDisposeScope();
        var x = cat([zeros(40, 1, dtype: ScalarType.Float64), ones(40, 1, dtype: ScalarType.Float64)], 0);
        var values = Enumerable.Range(0, 80).Select(row => (double)(row < 40 ? row % 4 == 0 ? 1 : 0 : row % 4 == 0 ? 0 : 1)).ToArray();
        var response = kind switch
        {
            ResponseKind.Class => Response.Class(tensor(values), 2),
            ResponseKind.Count => Response.Count(tensor(values)),
            _ => Response.Binomial(tensor(values), ones(80)),
        };
        var expert = new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 300, WeightDecay = 0, BatchRows = 80, LearningRate = 0.05 }).Fit(new FitData(x, response), FitContext.Default);
        var answers = expert.forward(tensor(new[] { 0.0, 1 }, 2, 1)).narrow(1, response.Width - 1, 1).data<double>().ToArray();
        answers[0].Should().BeApproximately(0.25, 0.02);
        answers[1].Should().BeApproximately(0.75, 0.02);
    }

    [Fact]
    public void A_warm_start_goes_on_from_the_previous_weights()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(60, 0.1);
        var learner = new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 60, WarmEpochs = 1, LearningRate = 1e-2 });
        var first = learner.Fit(data, FitContext.Default);
        var before = first.forward(data.Inputs).data<double>().ToArray();
        var second = learner.Fit(data, new() { Previous = first, Seed = 5 });
        second.forward(data.Inputs).sub(first.forward(data.Inputs)).abs().max().item<double>().Should().BeInRange(1e-9, 0.5);
        first.forward(data.Inputs).data<double>().ToArray().Should().Equal(before, "a fit never changes an expert");
    }

    [Fact]
    public void Watched_rows_stop_it_early_and_cancellation_stops_it_at_once()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(40, 1);
        var stopped = new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 1_000_000, ValidationShare = 0.25, Patience = 2, LearningRate = 0.05 }).Fit(data, FitContext.Default);
        stopped.forward(data.Inputs).isfinite().all().item<bool>().Should().BeTrue();
        FluentActions.Invoking(() => Learner(3).Fit(data, new() { CancellationToken = new(true) })).Should().Throw<OperationCanceledException>();
        FluentActions.Invoking(() => Learner(0)).Should().Throw<ArgumentException>().WithMessage("*Epochs is 0*");
    }

    [Fact]
    public void A_loss_without_bound_and_a_network_of_another_width_are_told()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(ones(2, 1), Response.Count(tensor(new[] { 0.0, 1 })));
        var wild = new NetworkLearner((d, dout) => nn.Linear(d, dout), new() { Epochs = 50, LearningRate = 1e300 });
        FluentActions.Invoking(() => wild.Fit(data, FitContext.Default)).Should().Throw<ArgumentException>().WithMessage("*learning rate*");
        FluentActions.Invoking(() => new NetworkLearner((d, _) => nn.Linear(d, 7)).Fit(data, FitContext.Default)).Should().Throw<ArgumentException>().WithMessage("*[2, 7]*[2, 1]*");
    }

    [Fact]
    public void Predictions_leave_nothing()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(10, 1);
        var expert = Learner(1).Fit(data, FitContext.Default);
        LiveTensors.After(() => expert.forward(data.Inputs).Dispose()).Should().Be(0);
    }

    private static NetworkLearner Learner(int epochs) => new((d, dout) => nn.Sequential(nn.Linear(d, 4), nn.Tanh(), nn.Linear(4, dout)), new() { Epochs = epochs });
}
