using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class GradientMixtureLearnerTests
{
    private static readonly MixtureMember[] Lines = [new("first", GradientCases.Line()), new("second", GradientCases.Line())];

    [Fact]
    public void Lines_under_a_linear_gate_come_close_to_the_likelihood_of_EM()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Overlapping(150);
        var em = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { GateRidge = 0, Restarts = 4 }).Fit(data);
        var gradient = new GradientMixtureLearner(Lines, new() { Epochs = 1000, BatchRows = 150, LearningRate = 0.01, WeightDecay = 0, Seed = 1 }).Fit(data).Mixture;
        gradient.Gate.Should().BeOfType<SoftmaxGate>();
        var gap = em.LogLikelihood(data) - gradient.LogLikelihood(data);
        gap.Should().BeInRange(-1e-3, 0.05, "EM's maximum is exact, and steps of a fixed size end near it");
    }

    [Theory]
    [InlineData(GradientLoss.Likelihood)]
    [InlineData(GradientLoss.BlendedError)]
    public void The_gradient_of_the_loss_is_its_slope(GradientLoss loss)
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(20, 2).WithWeights(tensor(Enumerable.Range(1, 20).Select(row => row * 0.3).ToArray()));
        MixtureMember[] members = [.. Lines, new("rule", new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).abs()))];
        var learner = new GradientMixtureLearner(members, new() { Loss = loss, FirstTemperature = 0.7 }, GradientGate.Hierarchy(GateTree.Balanced(3)));
        var model = learner.Start(data, learner.Options, out var rows);
        foreach (var part in model.Parts)
            part.Refit([.. Enumerable.Repeat(1.0, 20)], CancellationToken.None);
        model.Gate.Temperature = 0.7;
        var index = tensor(rows.Trained);
        Tensor[] parameters = [.. model.GateParameters, .. model.NetworkParameters];
        var checkedNumbers = 0;
        var random = new Random(1);
        foreach (var parameter in parameters)
        {
            var values = HostMemory.Of<double>(parameter);
            for (var place = 0; place < values.Length; place++)
                values[place] += (random.NextDouble() - 0.5) * 0.5;
        }
        model.Loss(index).backward();
        foreach (var parameter in parameters)
        {
            for (var place = 0; place < parameter.numel(); place++)
            {
                var slope = parameter.grad is null ? 0 : parameter.grad.reshape(-1)[place].item<double>();
                slope.Should().BeApproximately((At(parameter, place, 1e-5) - At(parameter, place, -1e-5)) / 2e-5, 1e-7);
                checkedNumbers++;
            }
        }
        checkedNumbers.Should().Be(12 + 3 + 6);

        double At(Tensor parameter, int place, double step)
        {
            HostMemory.Of<double>(parameter)[place] += step;
            var value = model.Loss(index).item<double>();
            HostMemory.Of<double>(parameter)[place] -= step;
            return value;
        }
    }

    [Fact]
    public void A_rule_a_tree_and_a_network_together_are_better_than_each_alone()
    {
        using var scope = NewDisposeScope();
        var (data, fresh) = (GradientCases.ThreeKinds(240, 1), GradientCases.ThreeKinds(200, 2));
        MixtureMember[] members =
        [
            new("rule", new DelegateExpert(1, 1, rows => rows.mul(2).add(4))),
            new("tree", new DecisionTreeLearner(new() { MinLeafWeight = 5 })),
            new("network", GradientCases.Hidden()),
        ];
        var options = new GradientOptions { Epochs = 150, RefitEvery = 30, LearningRate = 0.02, Seed = 3 };
        var together = new GradientMixtureLearner(members, options, GradientGate.Network((width, experts) => nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, experts)))).Fit(data).Mixture;
        together.Gate.Should().BeOfType<ModuleGate>();
        var best = members.Max(member => new GradientMixtureLearner([member], options).Fit(data).Mixture.LogLikelihood(fresh));
        together.LogLikelihood(fresh).Should().BeGreaterThan(best + 20);
    }

    [Fact]
    public void A_tree_gate_is_trained_too()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(150, 2);
        var tree = GateTree.Branch(GateTree.Leaf(2), GateTree.Branch(GateTree.Leaf(0), GateTree.Leaf(1)));
        var options = new GradientOptions { Epochs = 150, BatchRows = 50, LearningRate = 0.05, LastTemperature = 0.5 };
        var mixture = new GradientMixtureLearner([.. Lines, new("zero", new DelegateExpert(2, 1, rows => rows.narrow(1, 0, 1).mul(0)))], options, GradientGate.Hierarchy(tree)).Fit(data).Mixture;
        mixture.Gate.Should().BeOfType<TreeGate>().Which.Tree.Should().BeSameAs(tree);
        mixture.LogLikelihood(data).Should().BeGreaterThan(new MixtureLearner([new("line", new LinearLearner())]).Fit(data).LogLikelihood(data) + 50);
    }

    [Fact]
    public void Classes_and_counts_are_trained_by_their_likelihood()
    {
        using var scope = NewDisposeScope();
        var bent = GradientCases.Bent(80, 1);
        var labels = bent.Response.Values.gt(1).to(ScalarType.Float64);
        foreach (var response in new[] { Response.Class(labels, 2), Response.Count(labels.mul(5)) })
        {
            var data = new FitData(bent.Inputs, response);
            var options = new GradientOptions { Epochs = 100, LearningRate = 0.05, BatchRows = 80 };
            MixtureMember[] members = response.Kind == ResponseKind.Class ? [.. Lines, new("tree", new DecisionTreeLearner())] : [.. Lines, new("glm", new GlmLearner(GlmFamily.Poisson))];
            var mixture = new GradientMixtureLearner(members, options).Fit(data).Mixture;
            var alone = new GradientMixtureLearner([Lines[0]], options).Fit(data).Mixture;
            mixture.LogLikelihood(data).Should().BeGreaterThan(alone.LogLikelihood(data) + 5);
        }
    }

    [Fact]
    public void The_seed_decides_and_rows_without_weight_or_the_scale_of_weights_do_not()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(40, 1);
        double[] Answers(FitData rows, long seed)
        {
            var mixture = new GradientMixtureLearner(Lines, new() { Epochs = 5, ValidationShare = 0.2, Balance = 0.1 }).Fit(rows, new() { Seed = seed }).Mixture;
            return mixture.forward(data.Inputs).data<double>().ToArray();
        }

        var answers = Answers(data, 1);
        Answers(data, 1).Should().Equal(answers);
        Answers(data, 2).Should().NotEqual(answers);
        Answers(data.WithWeights(full(40, 4.0)), 1).Should().Equal(answers);
        var more = new FitData(cat([data.Inputs, full(3, 1, 50.0)]), Response.Real(cat([data.Response.Values, full(3, 9.0)])), cat([ones(40), zeros(3)]));
        Answers(more, 1).Zip(answers, (one, other) => Math.Abs(one - other)).Max().Should().BeLessThan(1e-9);
    }

    [Fact]
    public void The_best_state_on_rows_held_back_is_kept_and_patience_ends_the_fit()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(40, 1);
        var told = new Told();
        var options = new GradientOptions { Epochs = 400, LearningRate = 0.1, ValidationShare = 0.5, Patience = 5 };
        new GradientMixtureLearner([new("network", GradientCases.Hidden(32))], options).Fit(data, progress: told);
        told.Losses.Count.Should().BeLessThan(400);
        told.Losses.Count.Should().Be(told.Losses.IndexOf(told.Losses.Min()) + 1 + 5);
    }

    [Fact]
    public void Cancellation_ends_the_fit()
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        var told = new Told { Then = source.Cancel };
        var fit = () => new GradientMixtureLearner(Lines).Fit(GradientCases.Bent(40, 1), new() { CancellationToken = source.Token }, told);
        fit.Should().Throw<OperationCanceledException>();
        told.Losses.Should().HaveCount(1);
    }

    [Fact]
    public void Bad_input_is_refused_by_name()
    {
        var rate = () => new GradientMixtureLearner(Lines, new() { LearningRate = 0, Folds = 1 });
        rate.Should().Throw<ArgumentException>().WithMessage("*LearningRate (0)*Folds (1)*");
        var tree = () => new GradientMixtureLearner(Lines, gate: GradientGate.Hierarchy(GateTree.Balanced(3)));
        tree.Should().Throw<ArgumentException>().WithMessage("*has 3 experts; the mixture has 2*");
        var noise = () => new GradientMixtureLearner([new("network", GradientCases.Line()) { Noise = new LaplaceNoiseFamily() }]);
        noise.Should().Throw<ArgumentException>().WithMessage("Member \"network\" is a network*");
        using var scope = NewDisposeScope();
        var counts = () => new GradientMixtureLearner(Lines, new() { Loss = GradientLoss.BlendedError }).Fit(new FitData(ones(4, 1), Response.Count(ones(4))));
        counts.Should().Throw<ArgumentException>().WithMessage("The loss BlendedError does not take responses of kind Count*");
        var wide = () => new GradientMixtureLearner(Lines, gate: GradientGate.Network((width, experts) => nn.Linear(width, 3))).Fit(GradientCases.Bent(20, 1));
        wide.Should().Throw<ArgumentException>().WithMessage("The network of the gate answered*");
    }

    [Fact]
    public void Networks_in_EM_start_from_where_they_were()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(100, 1);
        var line = new NetworkLearner((width, outputs) => nn.Linear(width, outputs), new() { Epochs = 20, WarmEpochs = 5, BatchRows = 50, LearningRate = 0.05, WeightDecay = 0 });
        var options = new EmOptions { Restarts = 1, Judge = Judge.InSample, MaxIterations = 25, GateRidge = 1e-4, OnSmall = OnSmall.Keep };
        var mixture = MixtureLearner.Alike(2, line, options).Fit(data, responsibilities: stack([data.Inputs[.., 0].gt(0.5), data.Inputs[.., 0].le(0.5)], 1).to(ScalarType.Float64).mul(0.6).add(0.2));
        var trace = mixture.Report!.Trace;
        trace.Count.Should().BeGreaterThan(3);
        mixture.Report.LogLikelihood.Should().BeGreaterThan(trace[0] + 20).And.Be(trace.Max());
    }

    private sealed class Told : IProgress<GradientProgress>
    {
        public List<double> Losses { get; } = [];

        public Action? Then { get; init; }

        public void Report(GradientProgress value)
        {
            Losses.Add(value.ValidationLoss ?? value.Loss);
            Then?.Invoke();
        }
    }
}
